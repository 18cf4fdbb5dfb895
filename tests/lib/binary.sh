# shellcheck shell=bash
# Sourced by tests/run: how the built programs are hardened, read off the files (readelf) and off the map that the link of
# build/minirun wrote. Each fault is a line. lint_hardening_faults tries every check on a program that has the fault.
# SPDX-License-Identifier: Apache-2.0

# What reads the host's files, runs a program or loads code, by whatever name glibc has it; and the streams that
# sys/start/streams.cc leaves unmade.
kBannedCalls='getpw[a-z_]*|getgr(nam|gid|ent|ouplist)[a-z_]*|initgroups|getaddrinfo|gethostby[a-z0-9_]*|getservby[a-z_]*'
kBannedCalls+='|(__)?(iconv_open|setlocale|newlocale|wordexp|syslog|vsyslog|popen|system|dcgettext|dcigettext)|_IO_popen|do_system'
kBannedCalls+='|(__|___)?(dlopen|dlmopen|dlsym|dlvsym)|__libc_dlopen_mode|_dl_open|__gconv_open|__nss_[a-z_]*|_nl_(find|load)_locale'
kBannedCalls+='|std::w?c(in|out|err|log)'

# segment_faults FILE [dynamic]: what the kernel and the loader make of it.
segment_faults() {
  local headers dynamic
  headers=$(readelf -hlW "$1") && dynamic=$(readelf -dW "$1") || { echo "$1: readelf cannot read it"; return; }
  grep -q 'Type: *DYN' <<<"$headers" || echo "$1: not position-independent"
  grep -q 'GNU_RELRO' <<<"$headers" || echo "$1: no RELRO"
  grep -qE '\((FLAGS|BIND_NOW)\).*BIND_NOW|\(BIND_NOW\)|FLAGS_1.*NOW' <<<"$dynamic" || echo "$1: no BIND_NOW"
  ! grep -q 'TEXTREL' <<<"$dynamic" || echo "$1: relocations in code (TEXTREL)"
  loadable_faults "$1" <<<"$headers"
  [ "${2-}" = dynamic ] || ! grep -qE ' INTERP |\(NEEDED\)' <<<"$headers$dynamic" || echo "$1: not static"
}

loadable_faults() { # FILE < its headers
  awk -v file="$1" '
    $1 == "GNU_STACK" { stack = 1; flags = ""; for (i = 7; i < NF; i++) flags = flags $i; if (flags ~ /E/) print file ": executable stack" }
    $1 == "LOAD" { flags = ""; for (i = 7; i < NF; i++) flags = flags $i; if (flags ~ /W/ && flags ~ /E/) print file ": a segment that can be written and executed" }
    END { if (!stack) print file ": no GNU_STACK: the stack is executable" }'
}

# references MAP: "SYMBOL defines FILE" and "SYMBOL uses FILE" for what the map's cross reference table has. The first
# file of a symbol defines it, if the memory map gives it an address: weak ones may have no definition.
references() {
  awk '/^Cross Reference Table/ { table = 1; next }
    !table { if (NF == 2 && $1 ~ /^0x/) placed[$2] = 1; next }
    NF == 0 { next }
    /^[^ ]/ { symbol = $1; print symbol, symbol in placed ? "defines" : "uses", $NF; next }
    { print symbol, "uses", $NF }' "$1"
}

# map_faults MAP OWN: banned calls, and whether the objects that match OWN call what the compiler's protections call.
map_faults() {
  references "$1" | awk -v map="$1" -v own="$2" -v banned="^($kBannedCalls)\$" '
    { symbols++; base = $3; sub(/.*\//, "", base) }
    $1 ~ banned && $2 == "defines" && $3 !~ /sys\/start\/closed\.c/ { print map ": " $1 " is linked in, from " base; bad[$1] = 1 }
    $1 in bad && $2 == "uses" { print map ":   " $1 " is used by " base }
    $3 ~ own && $1 == "__stack_chk_fail" { protected++ }
    $3 ~ own && $1 ~ /^__[a-z0-9_]+_chk$/ { fortified++ }
    END {
      if (!symbols) print map ": no cross reference table"
      if (!protected) print map ": no object has a stack protector"
      if (!fortified) print map ": no object is fortified"
    }'
}

# cet_faults FILE...: objects of ours without the marks for indirect branch tracking and the shadow stack.
cet_faults() {
  readelf -nW "$@" 2>/dev/null | awk -v where="$*" '/^File: / { files++ } /IBT, SHSTK/ { marked++ }
    END { if (!files || marked < files) print where ": " files - marked " of " files " objects without IBT and SHSTK" }'
}

# The program itself can have the marks only when all of the C library has them; Debian 12's has none.
cet_program_faults() { # FILE LIBC_ARCHIVE
  local marked
  marked=$(readelf -nW "$2" 2>/dev/null | grep -c 'IBT, SHSTK')
  [ "$marked" != 0 ] || { echo "note: no object of $2 is built for CET, so $1 cannot be marked for it" >&2; return 0; }
  readelf -nW "$1" | grep -q 'IBT, SHSTK' || echo "$1: not marked for IBT and SHSTK, though $2 has objects that are"
}

kHardeningFlags='-fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -ftrivial-auto-var-init=zero'
kHardeningFlags+=' -fno-delete-null-pointer-checks -fno-strict-overflow -D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS'

# flag_faults DATABASE: how each object of ours was compiled (compile_commands.json), also from several files, but for the init, which has no C library.
flag_faults() {
  grep -E '"command": .* -c [^ ]*(/(sys|cgroups|namespaces|runtime)/[^ ]*\.cc|/minirun_[a-z_]*\.dir/Unity/[^ ]*)"' "$1" | grep -v '/namespaces/init/' |
    awk -v flags="$kHardeningFlags" -v database="$1" '
      BEGIN { count = split(flags, wanted, " ") }
      { files++; for (i = 1; i <= count; i++) if (index($0 " ", " " wanted[i] " ") == 0) print $NF " is compiled without " wanted[i] }
      END { if (!files) print database ": no object of ours" }'
}

# Nothing on standard output when all is well.
binary_faults() {
  flag_faults build/compile_commands.json
  segment_faults build/minirun
  segment_faults build/minirun-systemd dynamic
  segment_faults build/minirun-unpack dynamic
  readelf -hlW build/minirun-init | loadable_faults build/minirun-init
  map_faults build/minirun.map 'libminirun_'
  local library
  for library in build/libminirun_*.a; do cet_faults "$library"; done
  cet_program_faults build/minirun "$(gcc -print-file-name=libc.a)"
}

# wrong_program NAME CODE COMPILER_OPTIONS...: a program of one file, and its map.
wrong_program() {
  local name=$1 code=$2
  shift 2
  echo "$code" >"$wrong/$name.c"
  gcc -O2 -w -c -o "$wrong/$name.o" "$wrong/$name.c" "$@" 2>/dev/null &&
    gcc "$wrong/$name.o" -o "$wrong/$name" "$@" "-Wl,-Map=$wrong/$name.map,--cref" 2>/dev/null || echo "cannot build $name"
}

# must_find WORDS COMMAND...: the check that the command is finds this fault.
must_find() {
  local words=$1 found
  shift
  found=$("$@" 2>/dev/null)
  grep -qF -- "$words" <<<"$found" || echo "'$*' does not find: $words"
}

# Each check on a program that it must not let through.
self_test() {
  local wrong good='#include <string.h>
    int main(int argc, char** argv) { char text[64]; strcpy(text, argv[0]); return text[argc]; }'
  wrong=$(mktemp -d) || return
  local hard=(-fPIE -static-pie -fstack-protector-strong -fcf-protection=full -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 "-Wl,-z,relro,-z,now")
  wrong_program good "$good" "${hard[@]}"
  segment_faults "$wrong/good"
  wrong_program fixed "$good" -static -no-pie
  must_find 'not position-independent' segment_faults "$wrong/fixed"
  must_find 'no BIND_NOW' segment_faults "$wrong/fixed"
  wrong_program norelro "$good" "${hard[@]}" -Wl,-z,norelro
  must_find 'no RELRO' segment_faults "$wrong/norelro"
  wrong_program stack "$good" "${hard[@]}" -Wl,-z,execstack
  must_find 'executable stack' segment_faults "$wrong/stack"
  wrong_program both '__asm__(".section both,\"awx\",@progbits\n.byte 0\n.text"); int main(void) { return 0; }' "${hard[@]}"
  must_find 'can be written and executed' segment_faults "$wrong/both"
  wrong_program shared "$good" -fPIE -pie
  must_find 'not static' segment_faults "$wrong/shared"
  wrong_program text '__asm__(".text\n.globl there\nthere: .quad there"); int main(void) { return 0; }' -fPIE -pie -Wl,-z,notext
  must_find 'TEXTREL' segment_faults "$wrong/text"
  wrong_program banned '#include <pwd.h>
    #include <stdlib.h>
    int main(int argc, char** argv) { return getpwnam(argv[0]) == 0 && system(argv[argc - 1]); }' -static
  must_find 'getpwnam is linked in' map_faults "$wrong/banned.map" 'banned\.o'
  must_find 'system is linked in' map_faults "$wrong/banned.map" 'banned\.o'
  must_find 'is used by banned.o' map_faults "$wrong/banned.map" 'banned\.o'
  must_find 'dlopen is linked in' map_faults "$wrong/banned.map" 'banned\.o'
  wrong_program streams 'extern char out __asm__("_ZSt4cout"); int main(void) { return out; }' -static -lstdc++
  must_find 'std::cout is linked in' map_faults "$wrong/streams.map" 'streams\.o'
  wrong_program soft "$good" -static -fno-stack-protector -U_FORTIFY_SOURCE -fcf-protection=none
  must_find 'no object has a stack protector' map_faults "$wrong/soft.map" 'soft\.o'
  must_find 'no object is fortified' map_faults "$wrong/soft.map" 'soft\.o'
  must_find 'no cross reference table' map_faults /dev/null 'soft\.o'
  ar rc "$wrong/soft.a" "$wrong/soft.o" "$wrong/good.o"
  must_find '1 of 2 objects without IBT and SHSTK' cet_faults "$wrong/soft.a"
  must_find 'not marked for IBT and SHSTK' cet_program_faults "$wrong/soft" "$wrong/good.o"
  echo '"command": "g++ -fPIE -O2 -o x.o -c /there/runtime/x.cc",' >"$wrong/database"
  must_find 'is compiled without -fstack-clash-protection' flag_faults "$wrong/database"
  must_find 'no object of ours' flag_faults /dev/null
  rm -rf "$wrong"
}

lint_hardening() {
  local found
  found=$(binary_faults)
  [ -z "$found" ] || { echo "$found"; return 1; }
}

lint_hardening_faults() {
  local found
  found=$(self_test)
  [ -z "$found" ] || { echo "$found"; return 1; }
}
