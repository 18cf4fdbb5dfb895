// SPDX-License-Identifier: Apache-2.0
/* What the C library would read of the host's files, or load into the program, is not in this program.
 *
 * std::locale, which strings and streams of C++ use whether they are asked to or not, pulls in setlocale(3), newlocale(3),
 * message catalogues and iconv(3), and that the loader of shared libraries: in a container's mount namespace the
 * converters found would be the image's, run as root (the class of CVE-2019-14271). None of it is ever asked for: the
 * only locale here is "C". These definitions stand in the place of glibc's, so that what they need is not linked at all;
 * tests/lib/binary.sh sees to that by the link map.
 *
 * The names that begin with two underscores are internal to glibc; CMake links this file only where a program that has it
 * passes sys/start/closed_check.c. */
#include <errno.h>
#include <iconv.h>
#include <locale.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

extern struct __locale_struct _nl_C_locobj __attribute__((visibility("hidden")));

static int is_c(const char* name) { return *name == '\0' || strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0; }

/* The environment is not looked at: "" is "C" too. */
char* setlocale(int category, const char* name) {
  static char c[] = "C";
  (void)category;
  return name == NULL || is_c(name) ? c : NULL;
}

locale_t __newlocale(int categories, const char* name, locale_t base) {
  (void)categories, (void)base;
  if (name != NULL && is_c(name)) return &_nl_C_locobj;
  errno = name == NULL ? EINVAL : ENOENT;
  return NULL;
}
locale_t newlocale(int categories, const char* name, locale_t base) { return __newlocale(categories, name, base); }
locale_t __duplocale(locale_t from) {
  (void)from;
  return &_nl_C_locobj;
}
locale_t duplocale(locale_t from) { return __duplocale(from); }
void __freelocale(locale_t locale) { (void)locale; }
void freelocale(locale_t locale) { (void)locale; }

/* Messages are in English. */
char* __dcgettext(const char* domain, const char* text, int category) {
  (void)domain, (void)category;
  return (char*)text;
}
char* dcgettext(const char* domain, const char* text, int category) { return __dcgettext(domain, text, category); }
char* dgettext(const char* domain, const char* text) { return __dcgettext(domain, text, 0); }
char* gettext(const char* text) { return (char*)text; }
char* bindtextdomain(const char* domain, const char* folder) {
  (void)domain;
  return (char*)folder;
}
char* bind_textdomain_codeset(const char* domain, const char* codeset) {
  (void)domain;
  return (char*)codeset;
}

iconv_t iconv_open(const char* to, const char* from) {
  (void)to, (void)from;
  errno = EINVAL; /* no such conversion */
  return (iconv_t)-1;
}
size_t iconv(iconv_t converter, char** in, size_t* in_left, char** out, size_t* out_left) {
  (void)converter, (void)in, (void)in_left, (void)out, (void)out_left;
  errno = EBADF;
  return (size_t)-1;
}
int iconv_close(iconv_t converter) {
  (void)converter;
  errno = EBADF;
  return -1;
}

/* What else of glibc's own refers to those. */
pthread_rwlock_t __libc_setlocale_lock = PTHREAD_RWLOCK_INITIALIZER;
void _nl_locale_subfreeres(void) {}
void _nl_finddomain_subfreeres(void) {}

/* Only the built-in converters between wide characters and bytes exist. */
void* __gconv_find_shlib(const char* name) {
  (void)name;
  return NULL;
}
void __gconv_release_shlib(void* handle) { (void)handle; }
