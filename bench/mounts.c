// SPDX-License-Identifier: Apache-2.0
// mounts: makes a machine with many mounts. Binds each of the folders DIR/0, DIR/1, ... onto itself.
//
//   mounts COUNT DIR     in a mount namespace of its own: nothing here takes them away again
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: mounts COUNT DIR\n");
    return 2;
  }
  for (int i = 0, count = atoi(argv[1]); i < count; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%d", argv[2], i);
    if ((mkdir(path, 0755) < 0 && errno != EEXIST) || mount(path, path, NULL, MS_BIND, NULL) < 0) {
      fprintf(stderr, "mounts: %s: %s\n", path, strerror(errno));
      return 1;
    }
  }
  return 0;
}
