// SPDX-License-Identifier: Apache-2.0
/* Linked with closed.c when CMake configures: 0 when the C library works without what that leaves out. */
#include <errno.h>
#include <iconv.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

int main(void) {
  if (setenv("LC_ALL", "en_US.UTF-8", 1) != 0 || setenv("LANGUAGE", "de", 1) != 0) return 1;
  const char* name = setlocale(LC_ALL, "");
  if (name == NULL || strcmp(name, "C") != 0 || setlocale(LC_ALL, "en_US.UTF-8") != NULL) return 2;
  locale_t c = newlocale(LC_ALL_MASK, "C", NULL);
  if (c == NULL || newlocale(LC_ALL_MASK, "en_US.UTF-8", NULL) != NULL) return 3;
  locale_t before = uselocale(c);
  if (strtod("2.5", NULL) != 2.5 || localeconv()->decimal_point[0] != '.') return 4;
  uselocale(before);
  freelocale(c);
  if (strcmp(strerror(ENOENT), "No such file or directory") != 0) return 5;
  errno = 0;
  if (iconv_open("UTF-8", "ISO-8859-1") != (iconv_t)-1 || errno != EINVAL) return 6;
  char text[32];
  if (btowc('a') != L'a' || snprintf(text, sizeof text, "%ls", L"wide") != 4 || strcmp(text, "wide") != 0) return 7;
  return 0;
}
