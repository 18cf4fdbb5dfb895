# shellcheck shell=bash
# Sourced by tests/run: the ring lint. Each check is one case.
# SPDX-License-Identifier: Apache-2.0
. tests/lib/binary.sh
. tests/lib/tidy.sh

kSourceFolders="sys cgroups namespaces runtime packaging unpack tests bench"
kMostLines=400
kMostBytes=$((11 * 512 * 1024)) # of build/minirun

sources() {
  local folder
  for folder in $kSourceFolders; do
    [ ! -d "$folder" ] || find "$folder" -name '*.cc' -o -name '*.h'
  done | sort
}

# Files that people wrote, also new ones; not what is built.
written_files() {
  git ls-files -co --exclude-standard | while read -r file; do [ ! -f "$file" ] || echo "$file"; done
}

scripts() {
  written_files | while read -r file; do
    case $file in
      *.sh) echo "$file" ;;
      *) ! head -n 1 "$file" 2>/dev/null | grep -qaE '^#!/bin/(ba)?sh' || echo "$file" ;;
    esac
  done
}

lint_format() {
  sources | xargs clang-format --dry-run -Werror
}

lint_words() {
  # Each with its reason: what is here must stand alone, anywhere, and be finished.
  local found
  # The brackets keep this line from finding itself.
  found=$(written_files | xargs grep -nIE '\.\./share[d]|/wor[k]/|\bTOD[O]\b|\bFIXM[E]\b|\bXX[X]\b[^X.]')
  [ -z "$found" ] || { echo "$found"; return 1; }
  # Words that plain English does without: say who does what. Names of tests are of another form, and "nobody" is a user.
  found=$(written_files | grep -E '\.(cc|h|c|md)$|^docs/conformance/' |
    xargs grep -nwiE "tol[d]|tell[s]?|somebod[y]|nobod[y]|whoeve[r]|ther[e] (is|are)" | grep -v '"nobod[y]\|nobod[y]\\"')
  [ -z "$found" ] || { echo "$found"; return 1; }
}

lint_lengths() {
  local long
  long=$(sources | xargs awk -v most=$kMostLines '!/^\/\/ SPDX-License-Identifier/ { lines[FILENAME]++ }
    END { for (file in lines) if (lines[file] > most) print file ": " lines[file] " lines, more than " most }')
  [ -z "$long" ] || { echo "$long"; return 1; }
}

# The init program calls nothing but the kernel, and what stays of it calls nothing that it has freed.
lint_init() {
  local undefined code fault
  undefined=$(nm -u build/minirun-init) || return 1
  [ -z "$undefined" ] || { echo "build/minirun-init calls: $undefined"; return 1; }
  code=$(objdump -d --no-show-raw-insn -j .resident build/minirun-init) && grep -q 'become_init' <<<"$code" || return 1
  for fault in 'call   400500 <walk>' 'mov    $0x404de0,%esi' 'lea    0x404de0(,%rax,8),%rax' 'mov    0x100(%rip),%eax'; do
    ! leaves_resident <<<"  4000eb:	$fault" >/dev/null || { echo "leaves_resident does not find: $fault"; return 1; }
  done
  leaves_resident <<<"$code"
}

# Prints each jump and call out of the code, and each address of it that is used as data. Status 1 if there is one.
leaves_resident() {
  awk '/^[0-9a-f]+ <.*>:$/ { name = $2; sub(/:$/, "", name); names[name] = 1; next }
    /(call|j[a-z]+) .*<[^>]*>/ { to = $0; sub(/.*</, "<", to); sub(/\+0x[0-9a-f]+>/, ">", to); uses[$0] = to }
    /[$(, ]0x40[0-9a-f][0-9a-f][0-9a-f][0-9a-f]([^0-9a-f]|$)|\(%rip\)/ { print "data: " $0; bad = 1 }
    END { for (line in uses) if (!(uses[line] in names)) { print "leaves: " line; bad = 1 }; exit bad }'
}

lint_binary() {
  local bytes
  cp build/minirun $results/stripped && strip $results/stripped || return 1
  bytes=$(stat -c %s $results/stripped)
  rm -f $results/stripped
  [ "$bytes" -le $kMostBytes ] || { echo "build/minirun: $bytes bytes stripped, more than $kMostBytes"; return 1; }
}

lint_scripts() {
  scripts | xargs shellcheck -S warning -x -e SC1090,SC1091,SC2034,SC2154 # files that source each other
}

# Rooms, libraries and unused includes; and that the check finds what it is for.
lint_includes() {
  python3 -B tests/lib/includes.py
}
lint_includes_faults() {
  (cd tests/lib && python3 -B -m unittest -q includes_test)
}

# No room calls what only a later one defines; and that the check finds it where two rooms change places.
lint_links() {
  tests/lib/links.sh build
}
lint_links_faults() {
  printf '1. `oci/`\n2. `text/`\n' >$results/wrong-order
  if ! tests/lib/links.sh build $results/wrong-order >$results/wrong-order.found &&
    grep -q '^runtime/oci: defined above it: ' $results/wrong-order.found; then
    return 0
  fi
  echo "links.sh found nothing wrong with oci/ before text/"
  return 1
}

# The cache of seccomp filters is keyed by a hash of what makes them: that of these sources, and another one for others.
lint_seccomp_key() {
  local files changed built
  built=$(generator_in build/runtime/seccomp/generator.cc)
  grep -qF "$built" build/minirun || { echo "build/minirun does not have the hash of its generator"; return 1; }
  rm -rf $results/generator
  mkdir -p $results/generator
  cp runtime/seccomp/*.cc runtime/seccomp/*.h $results/generator/
  # In CMake's order, which is by name.
  files="$(printf '%s;' $results/generator/*)runtime/oci/spec.h;runtime/oci/parse_seccomp.cc"
  [ "$(generator_of "$files")" = "$built" ] || { echo "build/minirun has the hash of other sources"; return 1; }
  for changed in $results/generator/*; do
    echo >>"$changed"
    [ "$(generator_of "$files")" != "$built" ] || { echo "$changed counts for nothing"; return 1; }
  done
}
generator_in() { sed -n 's/^ *return "\([0-9a-f]*\)";$/\1/p' "$1"; } # FILE
generator_of() { # FILES
  cmake -D "FILES=$1" -D OUTPUT=$results/generator.cc -P runtime/seccomp/hash_sources.cmake
  generator_in $results/generator.cc
}

# Each source file names its licence, once `tests/lib/spdx.py --fix` has run over this tree.
lint_spdx() {
  grep -q '^// SPDX-License-Identifier' runtime/main.cc || return 0
  tests/lib/spdx.py
}

# docs/conformance.md is what its rows give, and the tests that they name exist; and that the check finds what it is for.
lint_conformance() {
  python3 -B tests/lib/conformance.py
}
lint_conformance_faults() {
  (cd tests/lib && python3 -B -m unittest -q conformance_test)
}

# A guest that ends without a status is run once more, and what it said is kept and shown.
lint_guests() {
  local results=$results/guests
  mkdir -p "$results" && echo x >"$results/kernel" || return 1
  echo 'echo died >&2; exit 1' >"$results/qemu"
  chmod +x "$results/qemu"
  QEMU=$results/qemu ACCEL=tcg guest probe "$results/kernel" 64 "$results/kernel" none
  [ "$(cat "$results/probe.exit")" = 125 ] || { echo "its status is not 125"; return 1; }
  show_lost_guests | grep -q '^died$' || { echo "what it said is not shown"; return 1; }
  printf '#!/bin/sh\n[ -e %s/second ] || { touch %s/second; exit 1; }\n' "$results" "$results" >"$results/qemu"
  # shellcheck disable=SC2016 # for the emulator
  echo 'for a; do case $a in *id=status,path=*) echo 0 1 2 >"${a##*path=}" ;; esac; done' >>"$results/qemu"
  QEMU=$results/qemu ACCEL=tcg guest probe "$results/kernel" 64 "$results/kernel" none
  [ "$(cat "$results/probe.exit")" = 0 ] || { echo "the second one does not count"; return 1; }
}

# Functions of this file as the command of `check`, which runs programs.
kLintPrograms=". .ci/install.sh; . tests/lib/count.sh; . tests/lib/guests.sh; . tests/lib/lint.sh; set -o pipefail"
lint_check() { # NAME SECONDS
  check "lint-$1" "$2" bash -c "$kLintPrograms; lint_$1"
}

# clang-tidy takes four minutes of both processors. The guests leave half of them idle, as their tests wait for what
# minirun gives up after some seconds: where both rings are asked for, it runs beside the guests.
kTidySeconds=2400
runs_beside() { # RING
  case " ${rings[*]} " in *" $1 "*) ;; *) return 1 ;; esac
}
begin_tidy() { begin_check lint-tidy $kTidySeconds nice -n 19 bash -c "$kLintPrograms; lint_tidy"; }

# Each source has an entry for clangd, which reads one of each kind without an error.
lint_editor() {
  local file found database=build/clangd/compile_commands.json
  cmake --preset dev >/dev/null && tests/lib/editor.sh build && tests/lib/editor.sh build/dev || return 1
  # Those of sys/start/*_check are compiled by try_run of CMake.
  sources | grep '\.cc$' | grep -vE '^tests/(fuzz|coverage)/|^sys/start/.*_check\.cc$' | while read -r file; do
    grep -qF "\"file\": \"$PWD/$file\"" $database || { echo "$database: no $file"; return 1; }
  done || return 1
  for file in runtime/text/json.cc runtime/oci/validate.cc tests/unit/oci/validate_test.cc tests/attacks/race_test.cc; do
    found=$(clangd --check="$file" --check-lines=1-1 2>&1)
    grep -q 'All checks completed, 0 errors' <<<"$found" || { grep '^E' <<<"$found"; return 1; }
  done
}

# Each file of minirun includes those of minirun's headers that it uses: gcc reads it by itself, as dev compiles it. In the
# other builds several are one file.
lint_alone() {
  local headers
  cmake --preset dev >/dev/null || return 1
  headers=$(ninja -C build/dev -t targets all | sed -n 's/^\(.*minirun_[^:]*\.gch\): .*/\1/p')
  # shellcheck disable=SC2086 # a list
  ninja -j2 -C build/dev $headers >/dev/null || return 1
  # shellcheck disable=SC2016
  sed -n 's|^  "command": "\(.*\) -o [^ ]* -c '"$PWD"'/\([^ ]*\.cc\)",$|\1 -fsyntax-only \2|p' build/dev/compile_commands.json | sed 's/\\\(.\)/\1/g' |
    grep -E ' (sys|cgroups|namespaces|runtime|packaging|unpack)/[^ ]*$' | tee build/dev/alone | xargs -P 2 -d '\n' -I{} sh -c '{}' || return 1
  [ "$(wc -l <build/dev/alone)" -gt 150 ] || { echo "build/dev/alone names too few files"; return 1; }
}

ring_lint() {
  build_release || return
  local name
  for name in format words lengths includes includes_faults links links_faults seccomp_key scripts editor guests spdx conformance conformance_faults init binary hardening hardening_faults; do lint_check $name 60; done
  lint_check alone 600
  runs_beside vm || lint_check tidy $kTidySeconds
}
