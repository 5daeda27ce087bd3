// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/evidence_store.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <functional>
#include <utility>

namespace drywall {
namespace {

constexpr int format_version = 1;
constexpr int busy_timeout_ms = 2000;

// user_version is the format. Times are microseconds of UTC since 1970, addresses text, `parts` as parts_text.
constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS encounter (
  key BLOB PRIMARY KEY, endpoint_kind INTEGER, namespace TEXT, name TEXT, bucket INTEGER, direction INTEGER,
  interface TEXT, source TEXT, destination TEXT, protocol INTEGER, source_port INTEGER, destination_port INTEGER,
  icmp_type INTEGER, icmp_code INTEGER, enforced INTEGER, pending INTEGER, last INTEGER, parts TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS content (
  kind INTEGER, namespace TEXT, name TEXT, sha256 TEXT, since INTEGER, PRIMARY KEY (kind, namespace, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lost (only INTEGER PRIMARY KEY CHECK (only = 1), parts TEXT);
PRAGMA user_version = 1;
)";

std::int64_t number_of(Timestamp at) {
  return at.time_since_epoch().count();
}

Timestamp time_of(std::int64_t number) {
  return Timestamp(std::chrono::microseconds(number));
}

/// `EPOCH COUNT FIRST LAST;` for each part.
std::string parts_text(const EpochTally& tally) {
  std::string text;
  for (const EpochTally::Part& part : tally.parts()) {
    text += fmt::format("{} {} {} {};", number_of(part.epoch), part.tally.count, number_of(part.tally.first),
                        number_of(part.tally.last));
  }
  return text;
}

EpochTally parse_parts(std::string_view text) {
  std::vector<EpochTally::Part> parts;
  while (!text.empty()) {
    std::array<std::int64_t, 4> numbers{};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), numbers[i]);
      const char after = i + 1 == numbers.size() ? ';' : ' ';
      if (error != std::errc{} || stop == text.data() + text.size() || *stop != after) return {};
      text.remove_prefix(static_cast<std::size_t>(stop - text.data()) + 1);
    }
    if (numbers[1] < 0 || parts.size() == EpochTally::most) return {};
    parts.push_back(
        {time_of(numbers[0]), {static_cast<std::uint64_t>(numbers[1]), time_of(numbers[2]), time_of(numbers[3])}});
  }
  return EpochTally(std::move(parts));
}

Failure failure_of(sqlite3* database, std::string operation, const std::string& path) {
  return {std::move(operation), path, sqlite3_system_errno(database), sqlite3_errmsg(database)};
}

/// A prepared statement, bound and stepped in order.
class Statement {
 public:
  Statement(sqlite3* database, const char* text) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(database, text, -1, &statement, nullptr);
    statement_.reset(statement);
  }
  [[nodiscard]] explicit operator bool() const { return statement_ != nullptr; }
  Statement& bind(std::int64_t number) {
    sqlite3_bind_int64(statement_.get(), ++bound_, number);
    return *this;
  }
  Statement& bind(std::string_view text) {
    sqlite3_bind_text(statement_.get(), ++bound_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind_bytes(std::string_view bytes) {
    sqlite3_bind_blob(statement_.get(), ++bound_, bytes.data(), static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
    return *this;
  }
  /// True: it ended well, and may be bound again.
  [[nodiscard]] bool run() {
    const bool ended = sqlite3_step(statement_.get()) == SQLITE_DONE;
    sqlite3_reset(statement_.get());
    bound_ = 0;
    return ended;
  }
  [[nodiscard]] bool step_to_row() {
    status_ = statement_ == nullptr ? SQLITE_ERROR : sqlite3_step(statement_.get());
    return status_ == SQLITE_ROW;
  }
  /// The last row was the last there is, not merely the last that could be read.
  [[nodiscard]] bool ended_well() const { return status_ == SQLITE_DONE; }
  [[nodiscard]] std::int64_t number(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  [[nodiscard]] std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
    return bytes == nullptr
               ? ""
               : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)));
  }
  /// A number that is one of an enum's, from 0 to `last`.
  template <class Enum>
  [[nodiscard]] std::optional<Enum> one_of(int column, Enum last) const {
    const std::int64_t value = number(column);
    if (value < 0 || value > static_cast<std::int64_t>(last)) return std::nullopt;
    return static_cast<Enum>(value);
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int status_ = SQLITE_OK;
  int bound_ = 0;
};

/// Nothing if the row cannot be one of ours.
std::optional<Encounter> read_encounter(const Statement& row) {
  const auto kind = row.one_of(0, EndpointKind::workload);
  const auto bucket = row.one_of(3, Bucket::forward);
  const auto direction = row.one_of(4, Direction::egress);
  const auto source = parse_address(row.text(6));
  const auto destination = parse_address(row.text(7));
  const auto enforced = row.one_of(13, Verdict::deny);
  const auto pending = row.one_of(14, Verdict::deny);
  if (!kind || !bucket || !direction || !source || !destination || !enforced || !pending) return std::nullopt;
  Encounter encounter;
  encounter.leg = {{*kind, row.text(1), row.text(2)}, *bucket, *direction};
  encounter.interface = row.text(5);
  encounter.packet = {*source,
                      *destination,
                      {static_cast<std::uint8_t>(row.number(8))},
                      static_cast<std::uint16_t>(row.number(9)),
                      static_cast<std::uint16_t>(row.number(10)),
                      static_cast<std::uint8_t>(row.number(11)),
                      static_cast<std::uint8_t>(row.number(12))};
  encounter.enforced = *enforced;
  encounter.pending = *pending;
  encounter.connections = parse_parts(row.text(15));
  return encounter;
}

bool write_encounter(Statement& insert, const std::string& key, const Encounter& encounter) {
  const auto parts = encounter.connections.parts();
  const Packet& packet = encounter.packet;
  return insert.bind_bytes(key)
      .bind(static_cast<std::int64_t>(encounter.leg.endpoint.kind))
      .bind(encounter.leg.endpoint.ns)
      .bind(encounter.leg.endpoint.name)
      .bind(static_cast<std::int64_t>(encounter.leg.bucket))
      .bind(static_cast<std::int64_t>(encounter.leg.direction))
      .bind(encounter.interface)
      .bind(to_string(packet.source))
      .bind(to_string(packet.destination))
      .bind(packet.protocol.number)
      .bind(packet.source_port)
      .bind(packet.destination_port)
      .bind(packet.icmp_type)
      .bind(packet.icmp_code)
      .bind(static_cast<std::int64_t>(encounter.enforced))
      .bind(static_cast<std::int64_t>(encounter.pending))
      .bind(parts.empty() ? 0 : number_of(parts.back().tally.last))
      .bind(parts_text(encounter.connections))
      .run();
}

bool write_encounters(sqlite3* database, const std::unordered_map<std::string, std::optional<Encounter>>& encounters) {
  Statement insert(database, "INSERT OR REPLACE INTO encounter VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  Statement remove(database, "DELETE FROM encounter WHERE key = ?");
  if (!insert || !remove) return false;
  for (const auto& [key, encounter] : encounters) {
    const bool written = encounter ? write_encounter(insert, key, *encounter) : remove.bind_bytes(key).run();
    if (!written) return false;
  }
  return true;
}

bool write_contents(sqlite3* database, const PolicyContents& contents) {
  Statement clear(database, "DELETE FROM content");
  Statement insert(database, "INSERT INTO content VALUES (?,?,?,?,?)");
  if (!clear || !insert || !clear.run()) return false;
  for (const auto& [id, content] : contents) {
    const bool written = insert.bind(static_cast<std::int64_t>(id.kind))
                             .bind(id.ns)
                             .bind(id.name)
                             .bind(content.sha256)
                             .bind(number_of(content.since))
                             .run();
    if (!written) return false;
  }
  return true;
}

bool write_lost(sqlite3* database, const EpochTally& lost) {
  Statement insert(database, "INSERT OR REPLACE INTO lost VALUES (1, ?)");
  return insert && insert.bind(parts_text(lost)).run();
}

bool execute(sqlite3* database, const char* text) {
  return sqlite3_exec(database, text, nullptr, nullptr, nullptr) == SQLITE_OK;
}

bool is_damage(sqlite3* database) {
  const int code = sqlite3_errcode(database);
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

std::int64_t version_of(sqlite3* database) {
  Statement version(database, "PRAGMA user_version");
  return version && version.step_to_row() ? version.number(0) : -1;
}

}  // namespace

void EvidenceStore::Close::operator()(sqlite3* database) const {
  sqlite3_close(database);
}

Result<EvidenceStore::Database> EvidenceStore::open_database(const std::string& path) {
  sqlite3* opened = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_NOFOLLOW;
  const int status = sqlite3_open_v2(path.c_str(), &opened, flags, nullptr);
  Database database(opened);
  if (status != SQLITE_OK) return tl::unexpected(failure_of(database.get(), "open", path));
  sqlite3_busy_timeout(database.get(), busy_timeout_ms);
  const std::int64_t version = version_of(database.get());
  if (version > format_version) {
    return tl::unexpected(Failure{"read", path, 0,
                                  fmt::format("it is of format {}, newer than this program's {}; to begin the evidence "
                                              "anew, stop drywalld and remove that file",
                                              version, format_version)});
  }
  const bool is_ready = version >= 0 && execute(database.get(), "PRAGMA journal_mode = WAL") &&
                        execute(database.get(), "PRAGMA synchronous = NORMAL") && execute(database.get(), schema);
  if (!is_ready) {
    Failure failure = failure_of(database.get(), "open", path);
    if (is_damage(database.get())) failure.error = EBADMSG;
    return tl::unexpected(std::move(failure));
  }
  return database;
}

Result<KeptEvidence> EvidenceStore::read(sqlite3* database, const std::string& path) {
  KeptEvidence kept;
  Statement encounters(database,
                       "SELECT endpoint_kind, namespace, name, bucket, direction, interface, source, destination, "
                       "protocol, source_port, destination_port, icmp_type, icmp_code, enforced, pending, parts "
                       "FROM encounter ORDER BY last LIMIT 1000000");
  while (encounters.step_to_row()) {
    if (auto encounter = read_encounter(encounters)) kept.encounters.push_back(std::move(*encounter));
  }
  Statement contents(database, "SELECT kind, namespace, name, sha256, since FROM content LIMIT 1000000");
  while (contents.step_to_row()) {
    const auto kind = contents.one_of(0, PolicyKind::staged_kubernetes_network_policy);
    if (kind)
      kept.contents[{*kind, contents.text(1), contents.text(2)}] = {contents.text(3), time_of(contents.number(4))};
  }
  Statement lost(database, "SELECT parts FROM lost");
  while (lost.step_to_row()) kept.lost = parse_parts(lost.text(0));
  if (!encounters.ended_well() || !contents.ended_well() || !lost.ended_well()) {
    Failure failure = failure_of(database, "read", path);
    failure.error = EBADMSG;
    return tl::unexpected(std::move(failure));
  }
  return kept;
}

Result<std::unique_ptr<EvidenceStore>> EvidenceStore::open(const std::string& state_dir, KeptEvidence& kept) {
  const std::string path = state_dir + "/evidence.db";
  std::optional<std::string> put_aside;
  for (;;) {
    Result<Database> database = open_database(path);
    Result<KeptEvidence> found = database ? read(database->get(), path) : tl::unexpected(database.error());
    if (found) {
      kept = std::move(*found);
      std::unique_ptr<EvidenceStore> store(new EvidenceStore(std::move(*database), path));
      store->put_aside_ = std::move(put_aside);
      return store;
    }
    if (found.error().error != EBADMSG || put_aside) return tl::unexpected(found.error());
    database = tl::unexpected(found.error());  // closed before it is moved
    put_aside = path + ".damaged";
    if (std::rename(path.c_str(), put_aside->c_str()) != 0) {
      return tl::unexpected(Failure{"rename", path, errno, {}});
    }
    for (const char* part : {"-wal", "-shm"}) std::remove((path + part).c_str());
  }
}

EvidenceStore::EvidenceStore(Database database, std::string path)
    : database_(std::move(database)), path_(std::move(path)), thread_([this] { run(); }) {}

EvidenceStore::~EvidenceStore() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void EvidenceStore::Unwritten::take(Changes changes) {
  for (Encounters::Change& change : changes.encounters) encounters[std::move(change.key)] = std::move(change.encounter);
  if (changes.contents) contents = std::move(changes.contents);
  if (changes.lost) lost = std::move(changes.lost);
}

/// What could not be written, unless something newer has come.
void EvidenceStore::Unwritten::take_back(Unwritten older) {
  encounters.merge(older.encounters);
  if (!contents) contents = std::move(older.contents);
  if (!lost) lost = std::move(older.lost);
}

void EvidenceStore::save(Changes changes) {
  {
    const std::lock_guard lock(mutex_);
    unwritten_.take(std::move(changes));
    fresh_ = true;
  }
  wake_.notify_one();
}

std::optional<Failure> EvidenceStore::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

Result<void> EvidenceStore::write(const Unwritten& changes) {
  sqlite3* const database = database_.get();
  const bool written = execute(database, "BEGIN IMMEDIATE") && write_encounters(database, changes.encounters) &&
                       (!changes.contents || write_contents(database, *changes.contents)) &&
                       (!changes.lost || write_lost(database, *changes.lost)) && execute(database, "COMMIT");
  if (written) return {};
  Failure failure = failure_of(database, "write", path_);
  execute(database, "ROLLBACK");
  return tl::unexpected(std::move(failure));
}

void EvidenceStore::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return ending_ || fresh_; });
    const bool is_last = ending_;
    Unwritten changes = std::exchange(unwritten_, {});
    fresh_ = false;
    lock.unlock();
    Result<void> written;
    if (!changes.empty()) written = write(changes);
    lock.lock();
    failure_ = written ? std::nullopt : std::optional(written.error());
    if (!written) unwritten_.take_back(std::move(changes));
    if (is_last) return;
  }
}

}  // namespace drywall
