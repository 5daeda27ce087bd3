// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/bus_result.h"
#include "daemon/event_loop.h"
#include "directory/descriptor.h"

namespace drywall {

/// An edit that somebody asked for over the bus, in the hands of the helper that may write the policy directory, as the
/// daemon may not (drywall-edit.socket; what is said is in cli/edit_request.h). The loop never waits for it.
class EditExchange {
 public:
  using Done = std::function<void(BusResult<nlohmann::json>)>;

  /// Hands over the request.
  ///   socket  where the helper listens
  ///   done    called once, in the loop and later; not at all if the exchange is destroyed before
  ///   errors  no helper; one that takes no more
  [[nodiscard]] static BusResult<std::unique_ptr<EditExchange>> begin(EventLoop& loop, const std::string& socket,
                                                                      const nlohmann::json& request, Done done);
  EditExchange(const EditExchange&) = delete;
  EditExchange& operator=(const EditExchange&) = delete;

 private:
  EditExchange(EventLoop& loop, Descriptor connection, Done done);
  void read_answer();
  void end(BusResult<nlohmann::json> result);

  Descriptor connection_;
  std::string answer_;
  Done done_;
  EventLoop::Source readable_;
  EventLoop::Source patience_;
};

/// What the helper's answer means to the caller: the JSON of the verb with what it told as `messages`, or why not.
[[nodiscard]] BusResult<nlohmann::json> result_of_answer(const std::string& answer);

}  // namespace drywall
