# cmake -D FILES="A;B" -D OUTPUT=FILE.cc -P hash_sources.cmake: a function that returns a hash of the files' content.
# SPDX-License-Identifier: Apache-2.0
set(all "")
foreach(file IN LISTS FILES)
  file(SHA256 ${file} hash)
  string(APPEND all ${hash})
endforeach()
string(SHA256 hash ${all})
file(WRITE ${OUTPUT} "#include \"runtime/seccomp/cache.h\"

namespace minirun {

const char* seccomp_generator() {
  return \"${hash}\";
}

}  // namespace minirun
")
