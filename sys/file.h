// SPDX-License-Identifier: Apache-2.0
// Whole small files, relative to a directory descriptor.
#pragma once

#include <string>
#include <string_view>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// open(2) with O_CLOEXEC added. dirfd: a directory or AT_FDCWD. mode counts with O_CREAT only.
Result<UniqueFd> open_at(int dirfd, const std::string& path, int flags, unsigned mode = 0);

// Whether both descriptors refer to one file: stat(2), st_dev and st_ino.
Result<bool> is_same_file(int one, int other);

// The target of a descriptor's link in /proc/self/fd: a path in this process's mount namespace, or the kernel's name
// for it (proc_pid_fd(5)).
Result<std::string> name_of_descriptor(int fd);

// Whether another open file description holds an exclusive flock(2) on the file. False if the file does not exist.
// Errors: transient ones (sys/transient_error.h), and flock(2)'s.
Result<bool> is_locked(int dirfd, const std::string& name);

// Reads from the descriptor's position to the end of the file. More than max_bytes is an error with code EFBIG: nothing
// that minirun reads is unbounded. `name` is for the message only.
Result<std::string> read_all(int fd, size_t max_bytes, std::string_view name);

// Opens and reads. For files in /proc, /sys and the like, and for small files of minirun's own.
Result<std::string> read_file(int dirfd, const std::string& path, size_t max_bytes = 1 << 20);

// Writes all of data with one write(2) where the kernel takes it (control files want exactly one); a short write is an
// error with code EIO. The file must exist: nothing is created.
Result<void> write_control(int dirfd, const std::string& path, std::string_view data);

// Writes all of data to an open file, in as many calls as needed: on a full disk the kernel writes a part first. `name`
// is for the message only.
Result<void> write_all(int fd, std::string_view data, const std::string& name);

// Creates or replaces dir/name with the data so that a reader sees the old or the new content, never a part: writes a
// temporary name beside it, then rename(2). mode as for open(2). Removes an existing file of the temporary name, and
// never writes to it.
Result<void> replace_file(int dirfd, const std::string& name, std::string_view data, unsigned mode);

}  // namespace minirun
