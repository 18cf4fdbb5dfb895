# shellcheck shell=bash
# Sourced by tests/lib/lint.sh: clang-tidy over all that minirun is built from.
#
# Most of its time goes into the headers of the C++ library. So files that are compiled alike are looked at together, one
# after the other in one file (the analyzer looks at no included one; inlining-mode: at each function by itself, also
# where another file of the unit calls it). Files that do not get along, and those of a unit with findings, are looked
# at one by one.
# SPDX-License-Identifier: Apache-2.0

kTidyTogether=12

tidy() { # ARGUMENTS
  # The analyzer's depth: with the default of 225,000 nodes a function a run takes two and a half times as long.
  clang-tidy --quiet --extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang \
    --extra-arg=max-nodes=25000 "$@" 2>/dev/null
}

# How clang compiles a file with the sanitizers; nothing for a file that is not compiled so.
tidy_flags() { # FILE
  sed -n "s|.*\"command\": \".*clang++ \(.*\) -o [^ ]* -c $PWD/$1\",\$|\1|p" build/tidy/compile_commands.json
}

# What passed once passes again as long as neither it nor any header nor the rules changed.
tidy_stamp() { # FILE
  echo "build/tidy/$(cat "$1" <(echo "$1 $tidy_rules") | sha256sum | cut -c1-32)"
}

tidy_unit() { # FILE...
  local unit flags file i=0 status=0 stamps=()
  for file in "$@"; do stamps+=("$(tidy_stamp "$file")"); done # before it is read: it may be edited meanwhile
  if [ $# -gt 1 ]; then
    unit=build/tidy/unit-$(echo "$*" | sha256sum | cut -c1-16).cc
    for file in "$@"; do cat "$file" && echo; done >"$unit"
    read -ra flags < <(tidy_flags "$1")
    if tidy --extra-arg=-Xclang --extra-arg=-analyzer-inlining-mode --extra-arg=-Xclang --extra-arg=all \
      "$unit" -- "${flags[@]}" >"$unit.log"; then
      touch "${stamps[@]}"
      return 0
    fi
    echo "one by one, for what $unit.log says: $*"
  fi
  for file in "$@"; do
    if tidy -p build/tidy "$file"; then touch "${stamps[i]}"; else status=1; fi
    i=$((i + 1))
  done
  return $status
}

# One line for each unit. Alone are files that are compiled like no other, and those with a library whose headers bring
# std::quoted, which is in the way of minirun's.
tidy_units() {
  local file flags together=() last=''
  while read -r flags file; do
    if [ ${#together[@]} = $kTidyTogether ] || { [ ${#together[@]} != 0 ] && [ "$flags" != "$last" ]; } || [ "$flags" = alone ]; then
      [ ${#together[@]} = 0 ] || echo "${together[*]}"
      together=()
    fi
    together+=("$file")
    last=$flags
  done < <(
    while read -r file; do
      [ ! -e "$(tidy_stamp "$file")" ] || continue
      flags=$(tidy_flags "$file" | tr -d ' ')
      [[ -n $flags && $flags != *'"'* ]] && ! grep -qE '<(nlohmann|spdlog|CLI)/' "$file" || flags=alone
      echo "$flags $file"
    done | sort -s -k 1,1
  )
  [ ${#together[@]} = 0 ] || echo "${together[*]}"
}

lint_tidy() {
  tidy_rules=$( (cat .clang-tidy CMakeLists.txt tests/lib/tidy.sh; sources | grep '\.h$' | xargs cat; clang-tidy --version) | sha256sum)
  export tidy_rules
  export -f tidy tidy_flags tidy_stamp tidy_unit
  # Nothing is built there.
  cmake --preset sanitize -B build/tidy -DMINIRUN_UNITY=OFF -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null || return 1
  # shellcheck disable=SC2016
  sources | grep -E '^(sys|cgroups|namespaces|runtime|packaging|unpack)/.*\.cc$' | tidy_units | xargs -P 2 -L 1 bash -c 'tidy_unit "$@"' tidy
}
