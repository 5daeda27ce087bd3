// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config.h"
#include "daemon/first_load.h"
#include "daemon/generation.h"
#include "daemon/host.h"
#include "daemon/netlink.h"
#include "daemon/snapshot_writer.h"
#include "flow/logged_packet.h"
#include "policy/diagnostic.h"

namespace drywall {

/// Everything that a generation is made of, as read at one moment.
struct Inputs {
  SharedList<yaml::SourceFile> files;
  std::optional<yaml::SourceFile> config_file;  // nothing: there is none
  Config config;
  Machine machine;
  Diagnostics diagnostics;  // of reading; with errors among them nothing is loaded
  /// The same policy for the same host: nothing to do.
  bool operator==(const Inputs&) const = default;
};

struct InForce {
  std::uint64_t number = 0;
  Timestamp applied_at;
  std::shared_ptr<const Inputs> inputs;
  std::shared_ptr<const Generation> generation;
  Diagnostics warnings;
};

/// A policy file that differs between two generations; nothing: it did not exist.
struct FileChange {
  std::string file;
  std::optional<std::string> sha256_before;
  std::optional<std::string> sha256_after;
  bool operator==(const FileChange&) const = default;
};
[[nodiscard]] std::vector<FileChange> file_changes(const SharedList<yaml::SourceFile>& before,
                                                   const SharedList<yaml::SourceFile>& after);

/// How a load ended.
struct Loaded {
  enum class Result : std::uint8_t {
    unchanged,  // it is in force already
    in_force,   // now
    invalid,    // there are errors: the old generation stays
    refused,    // the kernel took nothing of it: the old generation stays
  };
  Result result = Result::unchanged;
  Diagnostics diagnostics;
  std::vector<FileChange> changed;
  std::optional<WarmUp> warm_up;  // nothing unless the kernel held no rules of ours
  [[nodiscard]] bool ok() const { return result == Result::unchanged || result == Result::in_force; }
};

/// True if our tables are those of `ruleset` with this rendering, as far as their comments tell.
[[nodiscard]] bool holds(const TableComments& comments, const Ruleset& ruleset, const std::string& rendering);

/// Owns what is in force: in the kernel, in memory and on the disk.
class Enforcer {
 public:
  explicit Enforcer(std::string state_dir);

  /// Puts `inputs` in force, if they are free of errors and differ from what is.
  [[nodiscard]] Loaded load(Inputs inputs, Timestamp now);
  /// Puts in force what the disk has of the last time, for this machine; for a start with a broken directory.
  ///   node     the command line's, over the saved configuration's
  ///   returns  nothing if nothing was ever saved
  [[nodiscard]] std::optional<Loaded> load_last_good(const Machine& machine, const std::optional<std::string>& node,
                                                     Timestamp now);

  [[nodiscard]] const InForce* in_force() const { return in_force_ ? &*in_force_ : nullptr; }
  /// Asks the kernel. Nothing: it could not be asked.
  [[nodiscard]] std::optional<bool> in_sync();
  [[nodiscard]] Result<KernelCounts> read_counts();
  /// Asks the kernel whether it holds as many rules of ours as it should, beside what in_sync() asks. Nothing: it could
  /// not be asked.
  [[nodiscard]] std::optional<bool> is_whole();
  /// Puts what is in force into the kernel again, whatever is there now.
  [[nodiscard]] std::optional<Diagnostic> restore();
  /// The netlink port that our changes are made from; nothing: nf_tables cannot be reached.
  [[nodiscard]] std::optional<std::uint32_t> port();
  /// Whether nobody else can change our tables. Nothing: the kernel could not be asked, or holds none.
  [[nodiscard]] std::optional<bool> owns_tables();
  /// How much of the kernel's rules a change made anew: counters of the rest go on.
  enum class Extent : std::uint8_t { all, difference };
  /// Called when the kernel's rules were changed into those of this generation, before in_force() is.
  using Changed = std::function<void(const Generation&, Extent)>;
  void on_change(Changed call) { on_change_ = std::move(call); }
  /// How many hits of these rules were not logged: `limited` and `full` alone.
  [[nodiscard]] Result<KernelCounts> read_unlogged(const Generation& generation);
  /// Why the last generation could not be saved; nothing if it was.
  [[nodiscard]] std::optional<Failure> save_failure() const { return writer_.failure(); }

 private:
  [[nodiscard]] Result<NftSocket*> socket();
  ///   before  what the kernel holds of ours, so that only the difference is sent; null: not known
  [[nodiscard]] std::optional<Diagnostic> put_into_kernel(const Generation& generation, std::uint64_t number,
                                                          const Ruleset* before);
  /// Encodes for the kernel as it is now, and for the owner that our tables shall have.
  [[nodiscard]] Result<EncodeOptions> encode_options(NftSocket& nft, std::string comment) const;
  /// Takes tables that persist and belong to nobody, as an earlier run left them.
  ///   returns  whether our tables have the owner that they shall have
  [[nodiscard]] Result<bool> take_over_tables(NftSocket& nft);
  /// Before the first rules. Those that were there before reach further back than tracking: nothing is waited for then.
  [[nodiscard]] WarmUp warm_up_for(const Generation& generation);
  [[nodiscard]] bool had_rules() const;
  /// The generation that the kernel holds, if it can be told: the one in force, or, at a start, the one saved on disk.
  [[nodiscard]] std::shared_ptr<const Generation> held(const TableComments& comments, const Inputs& inputs) const;
  /// What is to be in force, if the kernel takes it.
  struct Candidate {
    std::shared_ptr<const Inputs> inputs;
    std::shared_ptr<const Generation> generation;
    Diagnostics warnings;
  };
  /// What was in force last, in this run or the one before.
  struct Last {
    std::uint64_t number = 0;
    Timestamp applied_at;
    std::string rendering;
    const SharedList<yaml::SourceFile>* files = nullptr;
    const std::optional<yaml::SourceFile>* config_file = nullptr;
  };
  [[nodiscard]] std::optional<Last> last() const;
  [[nodiscard]] Loaded enforce(Candidate candidate, Loaded loaded, Timestamp now);

  std::string state_dir_;
  std::optional<NftSocket> socket_;
  std::optional<Snapshot> saved_;  // as found at the start, until something is in force
  std::optional<Failure> saved_failure_;
  std::uint64_t highest_number_ = 0;
  std::optional<InForce> in_force_;
  OwnTables own_tables_ = OwnTables::no;  // of the configuration that is being loaded, or was last
  BuildMemo memo_;
  Changed on_change_ = [](const Generation&, Extent) {};
  SnapshotWriter writer_;
};

}  // namespace drywall
