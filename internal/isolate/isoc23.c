// The prebuilt libraries were made against glibc 2.38, which redirects these
// functions to __isoc23_ names; on older systems the weak ones here supply
// them. Compiled as C11 without _GNU_SOURCE, so that on glibc >= 2.38 the calls
// below are not themselves redirected back to these.
#if defined(__linux__)
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WEAK __attribute__((weak))

WEAK long __isoc23_strtol(const char *n, char **e, int b) { return strtol(n, e, b); }
WEAK long long __isoc23_strtoll(const char *n, char **e, int b) { return strtoll(n, e, b); }
WEAK unsigned long __isoc23_strtoul(const char *n, char **e, int b) { return strtoul(n, e, b); }
WEAK unsigned long long __isoc23_strtoull(const char *n, char **e, int b) { return strtoull(n, e, b); }

WEAK int __isoc23_sscanf(const char *s, const char *f, ...) {
  va_list a;
  va_start(a, f);
  int r = vsscanf(s, f, a);
  va_end(a);
  return r;
}

WEAK int __isoc23_fscanf(FILE *s, const char *f, ...) {
  va_list a;
  va_start(a, f);
  int r = vfscanf(s, f, a);
  va_end(a);
  return r;
}
#endif
