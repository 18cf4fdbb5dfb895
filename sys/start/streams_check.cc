// SPDX-License-Identifier: Apache-2.0
// Linked with streams.cc when CMake configures: 0 when streams in memory work without the standard ones.
#include <iostream>
#include <sstream>
#include <string>

int main() {
  std::ostringstream out;
  out << "a " << 12 << ' ' << 2.5 << ' ' << std::hex << 255;
  if (out.str() != "a 12 2.5 ff") return 1;
  std::istringstream in("17 x 0.25");
  int number = 0;
  std::string word;
  double fraction = 0;
  if (!(in >> number >> word >> fraction) || number != 17 || word != "x" || fraction != 0.25) return 2;
  std::wostringstream wide;
  wide << 3;
  return wide.str() == L"3" ? 0 : 3;
}
