// SPDX-License-Identifier: Apache-2.0
/* Linked with -z pack-relative-relocs when CMake configures: 0 when the C library relocates a program that has its relative
   relocations as a bitmap (DT_RELR: binutils 2.38, glibc 2.36). */
#include <string.h>

static const char* const words[] = {"one", "two", "three", "four", "five", "six", "seven", "eight"};
static const char* const* volatile table = words;

int main(void) {
  return strcmp(table[0], "one") == 0 && strcmp(table[4], "five") == 0 && strcmp(table[7], "eight") == 0 ? 0 : 1;
}
