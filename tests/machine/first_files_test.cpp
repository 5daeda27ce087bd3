// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/first_files.h"

#include <gtest/gtest.h>

#include "policy/parse.h"

namespace drywall {
namespace {

Socket socket(Protocol protocol, SocketState state, std::string_view address, std::uint16_t port) {
  Socket out;
  out.protocol = protocol;
  out.state = state;
  out.local = *parse_address(address);
  out.local_port = port;
  return out;
}
Socket tcp(std::string_view address, std::uint16_t port) {
  return socket(protocol::tcp, SocketState::listening, address, port);
}
Socket udp(std::string_view address, std::uint16_t port) {
  return socket(protocol::udp, SocketState::closed, address, port);
}

TEST(OpenPorts, AreWhatListensForOthers) {
  Socket web = tcp("0.0.0.0", 80);
  web.inode = 7;
  const std::vector<Socket> sockets{udp("::", 123), tcp("::", 80), web};
  const std::vector<OpenPort> ports = open_ports(sockets, {{7, {100, "nginx"}}}, 32768);
  EXPECT_EQ(ports, (std::vector<OpenPort>{{protocol::tcp, 80, "nginx"}, {protocol::udp, 123, ""}}));
}

TEST(OpenPorts, AreNotWhatOnlyThisHostReachesOrClientsHold) {
  const std::vector<Socket> sockets{tcp("127.0.0.1", 25),
                                    tcp("::1", 25),
                                    tcp("127.0.0.53", 53),
                                    udp("0.0.0.0", 68),
                                    udp("::", 546),
                                    udp("0.0.0.0", 40000),
                                    socket(protocol::tcp, SocketState::established, "192.0.2.1", 443),
                                    socket(protocol::udp, SocketState::established, "192.0.2.1", 500)};
  EXPECT_TRUE(open_ports(sockets, {}, 32768).empty());
}

TEST(SshdPorts, AreThoseItListensAt) {
  EXPECT_EQ(sshd_ports("port 22\naddressfamily any\nlistenaddress [::]:22\nlistenaddress 0.0.0.0:22\n"),
            std::vector<std::uint16_t>{22});
  EXPECT_EQ(sshd_ports("port 22\nlistenaddress 10.0.0.1:2222\n"), std::vector<std::uint16_t>{2222});
  EXPECT_EQ(sshd_ports("port 22\nport 2022"), (std::vector<std::uint16_t>{22, 2022}));
  EXPECT_TRUE(sshd_ports("").empty());
  EXPECT_TRUE(sshd_ports("port\nport x\nlistenaddress\nportal 3\n").empty());
}

TEST(FirstPolicy, IsOneStagedPolicyWithoutMistakes) {
  const FirstChoices choices{{{"role", "host"}, {"site", "a"}},
                             {22},
                             {{protocol::tcp, 80, "nginx"}, {protocol::udp, 123, "evil\nkind: Pwned"}}};
  const std::vector<yaml::SourceFile> files{{"host-services.yaml", first_policy(choices)}};
  const Parsed parsed = parse(files);
  for (const Diagnostic& diagnostic : parsed.diagnostics) ADD_FAILURE() << to_string(diagnostic);
  ASSERT_EQ(parsed.inventory.policies.size(), 1U);
  const Policy& policy = parsed.inventory.policies[0];
  EXPECT_TRUE(is_staged(policy.id.kind));
  ASSERT_EQ(policy.ingress.size(), 4U);
  EXPECT_TRUE(policy.egress.empty());
  EXPECT_NE(first_policy(choices).find("selector: role == 'host' && site == 'a'"), std::string::npos);
}

TEST(FirstConfiguration, HasAShortExplicitListOfFailsafes) {
  const std::string text = first_configuration({{{"role", "host"}}, {22, 2222}, {}});
  EXPECT_NE(text.find("host_endpoint: auto\nlabels:\n  role: \"host\"\n"), std::string::npos);
  EXPECT_NE(text.find("failsafe_inbound: [\"tcp:22\", \"tcp:2222\", \"udp:68\", \"udp:546\"]"), std::string::npos);
  EXPECT_NE(text.find("failsafe_outbound: [\"udp:53\", \"tcp:53\", \"udp:67\", \"udp:547\"]"), std::string::npos);
}

}  // namespace
}  // namespace drywall
