// SPDX-License-Identifier: Apache-2.0
// The socket and the memory that minirun shares with a container's init: a container with the right to trace its init
// can send and write anything there. Every message is taken whole or refused, no descriptor is left over, and nothing
// is read outside of the memory.
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "namespaces/spawn.h"
#include "runtime/compile/compile.h"
#include "runtime/supervise/init_channel.h"
#include "sys/socket_message.h"
#include "tests/fuzz/fuzz.h"

namespace minirun {
namespace {

// The lowest descriptor that is free: the same before and after when none was left over.
int next_descriptor() {
  int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  close(fd);
  return fd;
}

void send_with_descriptors(int socket, std::string_view bytes, size_t count) {
  (void)send_message(socket, bytes, std::vector<int>(count, STDERR_FILENO), MSG_DONTWAIT);
}

void check_message(std::string_view bytes, size_t descriptors) {
  int before = next_descriptor();
  {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return;
    UniqueFd ours(pair[0]), theirs(pair[1]);
    send_with_descriptors(theirs.get(), bytes, descriptors);
    auto received = try_receive(ours.get());
    if (received.ok() && *received && (*received)->kind == Received::Kind::message) {
      HOLDS(bytes.size() == sizeof(Envelope), std::to_string(bytes.size()));
      Message message = (*received)->envelope.message;
      bool carries = message == Message::terminal || message == Message::plan;
      HOLDS(descriptors == (carries ? 1U : 0U), std::to_string(descriptors));
      HOLDS(static_cast<bool>((*received)->fd) == carries, "");
    }
  }
  HOLDS(next_descriptor() == before, "a descriptor is left over");
}

std::string sound_image() {
  oci::Spec spec;
  spec.root = oci::Root{"rootfs", false};
  spec.process = oci::Process{};
  spec.process->cwd = "/";
  spec.process->args = {"/bin/true"};
  for (int type : {CLONE_NEWPID, CLONE_NEWNS}) spec.linux_.namespaces.push_back({static_cast<uint32_t>(type), ""});
  PlanFacts facts{{"id", "/b", "/b/rootfs"}, {}};
  facts.options.create = true;
  auto compiled = compile(spec, facts);
  return serialize(compiled->plan, std::vector<int>(compiled->plan.slots.size(), 3), 4);
}

UniqueFd file_with(const std::string& bytes) {
  UniqueFd file(memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  HOLDS(write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "");
  HOLDS(fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0, "");
  return file;
}

// That of 65916da, with two steps of which the second one executes.
std::string old_image() {
  constexpr uint32_t kHeader = 336, kStep = 56, kText = kHeader + 2 * kStep;
  constexpr uint64_t kMagic = 0x324e4c505552494dULL;  // "MIRUPLN2"
  constexpr uint32_t kSizes[] = {kText + 8, 2, kHeader};
  constexpr uint16_t kExecute = 49;
  std::string image(kText, '\0');
  image += "execute";
  image.push_back('\0');
  std::memcpy(image.data(), &kMagic, sizeof kMagic);
  std::memcpy(image.data() + sizeof kMagic, kSizes, sizeof kSizes);
  std::memcpy(image.data() + kHeader + kStep, &kExecute, sizeof kExecute);
  std::memcpy(image.data() + kHeader + kStep + 4, &kText, sizeof kText);
  return image;
}

// Writes some words anywhere.
void scribble(fuzz::Input& input, size_t words, char* memory, size_t bytes) {
  static constexpr uint32_t kWords[] = {0, 1, 8, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff};
  for (size_t i = 0; i < words && !input.empty(); ++i) {
    size_t at = input.coin() ? input.byte() : input.number(2);
    uint32_t word = input.coin() ? kWords[input.below(std::size(kWords))] : static_cast<uint32_t>(input.number(4));
    if (at + sizeof word <= bytes) std::memcpy(memory + at, &word, sizeof word);
  }
}

void look(const PlanMemory& memory) {
  for (uint32_t step : {0U, 1U, memory.step_count() - 1, memory.step_count(), 0xffffffffU})
    (void)memory.step_text(step);
  (void)memory.offered_listener();
  HOLDS(!step_error(memory).text().empty(), "");
  HOLDS(std::strlen(memory.report().detail) < kDetailBytes, "");
}

// The memory as it comes with `start`, then changed under minirun's eyes.
void check_memory(fuzz::Input& input) {
  static const std::string kSound = sound_image(), kOld = old_image();
  bool old = input.coin();
  std::string image = input.coin() ? (old ? kOld : kSound) : std::string(input.part('\n'));
  scribble(input, input.below(4), image.data(), image.size());
  UniqueFd file = file_with(image);
  UniqueFd other(fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
  auto memory = PlanMemory::map(std::move(file), old ? kUnnumberedPlanFormat : kPlanFormat);
  if (!memory.ok()) return;
  look(*memory);
  void* theirs = mmap(nullptr, image.size(), PROT_READ | PROT_WRITE, MAP_SHARED, other.get(), 0);
  if (theirs == MAP_FAILED) return;
  scribble(input, 8, static_cast<char*>(theirs), image.size());
  munmap(theirs, image.size());
  look(*memory);
}

}  // namespace
}  // namespace minirun

FUZZ(input) {
  using namespace minirun;
  if (input.coin()) return check_memory(input);
  size_t descriptors = input.below(9);
  check_message(input.rest(), descriptors);
}
