// SPDX-License-Identifier: Apache-2.0
// `minirun list`: lists all containers.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "runtime/commands/command.h"
#include "runtime/container/container.h"
#include "runtime/container/record.h"
#include "runtime/text/json_writer.h"
#include "runtime/text/shown.h"

namespace minirun {
namespace {

struct ListCommand {
  bool quiet = false;
  std::string format = "table";
};

void describe(Options& options, ListCommand& command) {
  options.flag("-q,--quiet", command.quiet, "print only the ids");
  options.choice("-f,--format", {"table", "json"}, command.format, "how to print the containers (default: table)");
}

struct Listed {
  ContainerRecord record;
  std::string status;
  pid_t pid = 0;
};

Listed list_one(StateDirectory state) {
  Listed listed{bare_record(state), "damaged", 0};
  auto record = read_record(state);
  if (record.ok() && !check_format(*record).ok()) return {std::move(record).value(), "newer", 0};
  auto found = record.ok() ? inspect(std::move(state), std::move(record).value()) : Result<Container>(record.error());
  if (found.ok())
    listed = {found->record, std::string(status_name(found->status)), found->init ? found->record.init.pid : 0};
  return listed;
}

// Also lists unreadable ones, since deleting them needs their names.
Result<std::vector<Listed>> list_containers(const GlobalOptions& global) {
  std::vector<Listed> all;
  auto root = open_existing_root(global.root);
  if (!root.ok() && is_no_container(root.error())) return all;
  if (!root.ok()) return root.error();
  for (const std::string& id : TRY(list_ids(root->get()))) {
    auto state = StateDirectory::open(root->get(), id);
    if (!state.ok()) continue;  // removed meanwhile, or not a directory
    all.push_back(list_one(std::move(state).value()));
  }
  return all;
}

using Row = std::array<std::string, 6>;

// Columns like runc's: as wide as the longest entry plus three blanks, at least twelve.
std::string table_of(const std::vector<Listed>& all) {
  std::vector<Row> rows{{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
  for (const Listed& one : all) {
    const ContainerRecord& record = one.record;
    rows.push_back(
        {record.id, std::to_string(one.pid), one.status, shown_line(record.bundle), record.created, owner_name()});
  }
  std::array<size_t, 6> widths;
  widths.fill(12);
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); i++) widths[i] = std::max(widths[i], row[i].size() + 3);
  std::string table;
  for (const Row& row : rows) {
    for (size_t i = 0; i + 1 < row.size(); i++) table += fmt::format("{:<{}}", row[i], widths[i]);
    table += row.back() + "\n";
  }
  return table;
}

std::string json_of(const std::vector<Listed>& all) {
  JsonWriter json(2);
  json.begin_array();
  for (const Listed& one : all) append_state(json, one.record, one.status, one.pid);
  json.end_array();
  return json.take() + "\n";
}

Result<Outcome> perform(const GlobalOptions& global, const ListCommand& command) {
  std::vector<Listed> all = TRY(list_containers(global));
  if (command.quiet) {
    std::string ids;
    for (const Listed& one : all) ids += one.record.id + "\n";
    return Outcome{0, ids};
  }
  return Outcome{0, command.format == "json" ? json_of(all) : table_of(all)};
}

}  // namespace

Command list_command() {
  return Command::of<ListCommand, describe, perform>({
      .summary = "list the containers",
      .description = "Lists the containers below --root, including those that a killed minirun left half made.",
      .examples = {{{"minirun list", "a table for people"},
                    {"minirun list --format json", "an array of states for programs"}}},
  });
}

}  // namespace minirun
