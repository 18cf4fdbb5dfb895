// SPDX-License-Identifier: Apache-2.0
// The standard streams (std::cout and its kin) are not in this program.
//
// A file that includes <iostream>, as CLI11 does, has libstdc++ make eight of them and the locale that they use before
// main(): 4 % of the time of a short command. minirun writes by write(2) and uses none. This stands in the place of
// libstdc++'s own (ios_init.cc). Streams in memory still work: the first one makes the locale.
// tests/lib/binary.sh sees to it that nothing uses the standard ones, which would be no streams at all.
//
// CMake links this file only where a program that has it passes sys/start/streams_check.cc.
#include <ios>

std::ios_base::Init::Init() {}
std::ios_base::Init::~Init() {}
