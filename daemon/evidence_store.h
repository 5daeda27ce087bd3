// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "flow/encounters.h"
#include "policy/model.h"
#include "policy/result.h"

struct sqlite3;

namespace drywall {

/// What a policy says, and since when it has said so without a break on this host.
struct PolicyContent {
  std::string sha256;  // of content_of(policy)
  Timestamp since;
  bool operator==(const PolicyContent&) const = default;
};
using PolicyContents = std::map<PolicyId, PolicyContent>;  // of every policy of a generation

/// What is kept of the evidence from run to run.
struct KeptEvidence {
  PolicyContents contents;
  std::vector<Encounter> encounters;  // the longest not seen first
  EpochTally lost;                    // log messages
};

/// STATE_DIR/evidence.db, an SQLite database. Written in the background, so that a slow disk delays nothing; a run that
/// is killed loses what was saved last, never the rest.
class EvidenceStore {
 public:
  struct Changes {
    std::vector<Encounters::Change> encounters;
    std::optional<PolicyContents> contents;
    std::optional<EpochTally> lost;
  };

  /// Opens it, or makes it. One that is damaged is put aside as evidence.db.damaged and begun anew.
  ///   kept    receives what is in it
  ///   errors  it cannot be opened or made; it is of a newer format, and then stays as it is
  [[nodiscard]] static Result<std::unique_ptr<EvidenceStore>> open(const std::string& state_dir, KeptEvidence& kept);
  /// Waits until everything is written.
  ~EvidenceStore();
  EvidenceStore(const EvidenceStore&) = delete;
  EvidenceStore& operator=(const EvidenceStore&) = delete;

  void save(Changes changes);
  /// Why the last writing failed; nothing if it went well. What could not be written is tried again with the next.
  [[nodiscard]] std::optional<Failure> failure() const;
  /// What was put aside because it was damaged.
  [[nodiscard]] const std::optional<std::string>& put_aside() const { return put_aside_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  using Database = std::unique_ptr<sqlite3, Close>;
  struct Unwritten {
    std::unordered_map<std::string, std::optional<Encounter>> encounters;
    std::optional<PolicyContents> contents;
    std::optional<EpochTally> lost;
    [[nodiscard]] bool empty() const { return encounters.empty() && !contents && !lost; }
    void take(Changes changes);
    void take_back(Unwritten older);
  };

  EvidenceStore(Database database, std::string path);
  [[nodiscard]] static Result<Database> open_database(const std::string& path);
  [[nodiscard]] static Result<KeptEvidence> read(sqlite3* database, const std::string& path);
  [[nodiscard]] Result<void> write(const Unwritten& changes);
  void run();

  Database database_;
  const std::string path_;
  std::optional<std::string> put_aside_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Unwritten unwritten_;
  bool fresh_ = false;  // something came since the last attempt
  bool ending_ = false;
  std::optional<Failure> failure_;
  std::thread thread_;
};

}  // namespace drywall
