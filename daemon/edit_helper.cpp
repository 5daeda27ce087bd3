// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/edit_helper.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace drywall {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::minutes patience{2};             // longer than any edit takes
constexpr std::size_t most_request_bytes = 64U << 10U;  // fits into the socket's buffer: sent at once
constexpr std::size_t most_answer_bytes = 8U << 20U;

tl::unexpected<BusError> failure(std::string message) {
  return tl::unexpected(BusError{BusError::Kind::failed, std::move(message)});
}

BusResult<Descriptor> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return failure(fmt::format("{}: the path is too long", path));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Descriptor connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!connection) return failure(fmt::format("socket: {}", std::strerror(errno)));
  if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return failure(
        fmt::format("nobody listens at {} who may write the policy directory ({}): start drywall-edit.socket, "
                    "or run the command drywall as root",
                    path, std::strerror(errno)));
  }
  return connection;
}

BusError::Kind kind_of(int exit) {
  switch (exit) {
    case 1:
      return BusError::Kind::refused;
    case 2:
      return BusError::Kind::invalid_arguments;
    case 4:
      return BusError::Kind::access_denied;
    case 5:
      return BusError::Kind::kernel_refused;
    default:
      return BusError::Kind::failed;
  }
}

}  // namespace

BusResult<Json> result_of_answer(const std::string& answer) {
  const Json said = Json::parse(answer, nullptr, false);
  if (!said.is_object() || !said.contains("exit") || !said["exit"].is_number_integer() || !said.contains("messages") ||
      !said["messages"].is_string()) {
    return failure("the helper did not say what became of the edit: drywall recover tells");
  }
  std::string messages = said["messages"].get<std::string>();
  while (messages.ends_with('\n')) messages.pop_back();
  const int exit = said["exit"].get<int>();
  if (exit != 0) return tl::unexpected(BusError{kind_of(exit), std::move(messages)});
  Json result = said.contains("answer") && said["answer"].is_object() ? said["answer"] : Json::object();
  if (!messages.empty()) result["messages"] = std::move(messages);
  return result;
}

BusResult<std::unique_ptr<EditExchange>> EditExchange::begin(EventLoop& loop, const std::string& socket,
                                                             const Json& request, Done done) {
  const std::string text = request.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > most_request_bytes) {
    return tl::unexpected(
        BusError{BusError::Kind::limit, fmt::format("the request has more than {} bytes", most_request_bytes)});
  }
  BusResult<Descriptor> connection = connect_to(socket);
  if (!connection) return tl::unexpected(connection.error());
  const ssize_t sent = send(connection->get(), text.data(), text.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(text.size()) || shutdown(connection->get(), SHUT_WR) != 0) {
    return failure("the helper did not take the request");
  }
  return std::unique_ptr<EditExchange>(new EditExchange(loop, std::move(*connection), std::move(done)));
}

EditExchange::EditExchange(EventLoop& loop, Descriptor connection, Done done)
    : connection_(std::move(connection)), done_(std::move(done)) {
  readable_ = loop.on_readable(connection_.get(), [this] { read_answer(); });
  patience_ =
      loop.timer([this] { end(failure("the helper does not answer: drywall recover tells what became of it")); });
  patience_.restart(patience);
}

void EditExchange::read_answer() {
  std::array<char, 16384> piece{};
  const ssize_t got = recv(connection_.get(), piece.data(), piece.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return end(result_of_answer(answer_));
  answer_.append(piece.data(), static_cast<std::size_t>(got));
  if (answer_.size() > most_answer_bytes) end(failure("the helper's answer has no end"));
}

void EditExchange::end(BusResult<Json> result) {
  readable_ = {};
  patience_.stop();
  const Done done = std::move(done_);  // it destroys the exchange
  done(std::move(result));
}

}  // namespace drywall
