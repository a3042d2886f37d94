#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "server/rpc/listening_socket.h"

namespace sidebus {

// A connection to a Unix socket that sends any bytes, and pieces of HTTP/2 to make them of.
class RawHttp2 {
 public:
  enum Type : std::uint8_t {
    kData = 0,
    kHeaders = 1,
    kRstStream = 3,
    kSettings = 4,
    kPing = 6,
    kGoAway = 7,
    kWindowUpdate = 8,
    kContinuation = 9
  };
  static constexpr std::size_t kMessageHead = 5;
  static constexpr std::uint8_t kEndStream = 1;
  static constexpr std::uint8_t kEndHeaders = 4;

  explicit RawHttp2(const std::string& path)
      : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    connected_ =
        connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }

  bool connected() const { return connected_; }

  // False when the other side has hung up, or takes nothing more for half a second.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      pollfd writable{socket_.get(), POLLOUT, 0};
      if (poll(&writable, 1, kPatienceMs / 20) != 1) return false;
      const ssize_t sent =
          send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // Reads until the other side hangs up; false when that takes more than ten seconds.
  bool ReadToEnd() {
    return Read([](const std::string&) { return false; });
  }

  // Reads until `text` is among the bytes.
  bool ReadUntil(const std::string& text) {
    return Read([&](const std::string& so_far) { return so_far.find(text) != std::string::npos; });
  }

  // Sends zeros on a stream, as fast as the other side grants windows, until it ends the stream, it
  // grants nothing for ten seconds, or it took `most`. Returns how much it took. `sent`: bytes of
  // DATA that were sent before, and count against the windows.
  std::size_t Flood(std::uint32_t stream, std::size_t sent, std::size_t most) {
    std::int64_t connection_window = 65'535 - static_cast<std::int64_t>(sent);
    std::int64_t stream_window = connection_window;
    std::size_t taken = 0;
    std::string unread;
    while (taken < most) {
      const auto room = std::min({connection_window, stream_window, std::int64_t{16'384}});
      if (room > 0) {
        if (!Send(Frame(kData, 0, stream, std::string(static_cast<std::size_t>(room), '\0'))))
          break;
        taken += static_cast<std::size_t>(room);
        connection_window -= room;
        stream_window -= room;
      }
      pollfd readable{socket_.get(), POLLIN, 0};
      const int ready = poll(&readable, 1, room > 0 ? 0 : kPatienceMs);
      if (ready == 0 && room <= 0) break;
      if (ready == 0) continue;
      char chunk[4096];
      const ssize_t count = read(socket_.get(), chunk, sizeof(chunk));
      if (count <= 0) break;
      unread.append(chunk, static_cast<std::size_t>(count));
      while (unread.size() >= 9 && unread.size() >= 9 + Number(unread, 0, 3)) {
        const std::size_t size = Number(unread, 0, 3);
        const auto type = static_cast<std::uint8_t>(unread[3]);
        const std::size_t on = Number(unread, 5, 4);
        if (type == kWindowUpdate) {
          const auto by = static_cast<std::int64_t>(Number(unread, 9, 4));
          (on == 0 ? connection_window : stream_window) += by;
        } else if (type == kSettings) {
          for (std::size_t at = 9; at + 6 <= 9 + size; at += 6) {
            if (Number(unread, at, 2) != 4) continue;  // SETTINGS_INITIAL_WINDOW_SIZE
            stream_window += static_cast<std::int64_t>(Number(unread, at + 2, 4)) - 65'535;
          }
        } else if (on == stream || type == kGoAway) {
          return taken;
        }
        unread.erase(0, 9 + size);
      }
    }
    return taken;
  }

  static std::string Preface() {
    return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0, "");
  }

  static std::string Frame(Type type, std::uint8_t flags, std::uint32_t stream,
                           std::string_view payload) {
    std::string frame = BigEndian(payload.size(), 3);
    frame += static_cast<char>(type);
    frame += static_cast<char>(flags);
    return frame + BigEndian(stream, 4) + std::string(payload);
  }

  // A header as HPACK writes one that is in no table; both shorter than 127 bytes.
  static std::string Header(std::string_view name, std::string_view value) {
    std::string header(1, '\0');
    for (const std::string_view text : {name, value}) {
      header += static_cast<char>(text.size());
      header += text;
    }
    return header;
  }

  // The headers of a call.
  static std::string Call(std::string_view method) {
    return Header(":method", "POST") + Header(":scheme", "http") + Header(":path", method) +
           Header(":authority", "x") + Header("te", "trailers") +
           Header("content-type", "application/grpc");
  }

  // A gRPC message whose prefix claims `length` bytes.
  static std::string Message(std::uint32_t length, std::string_view bytes) {
    return std::string(1, '\0') + BigEndian(length, 4) + std::string(bytes);
  }

 private:
  static constexpr int kPatienceMs = 10'000;

  static std::string BigEndian(std::size_t number, int bytes) {
    std::string text;
    for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>((number >> (8 * i)) & 0xff);
    return text;
  }

  static std::size_t Number(const std::string& text, std::size_t at, std::size_t bytes) {
    std::size_t number = 0;
    for (std::size_t i = at; i < at + bytes; ++i) {
      number = number << 8 | static_cast<unsigned char>(text[i]);
    }
    return number;
  }

  template <typename Enough>
  bool Read(Enough enough) {
    std::string so_far;
    while (!enough(so_far)) {
      pollfd readable{socket_.get(), POLLIN, 0};
      if (poll(&readable, 1, kPatienceMs) != 1) return false;
      char chunk[4096];
      const ssize_t count = read(socket_.get(), chunk, sizeof(chunk));
      if (count <= 0) return enough(so_far) || count == 0 || errno == ECONNRESET;
      so_far.append(chunk, static_cast<std::size_t>(count));
    }
    return true;
  }

  FileDescriptor socket_;
  bool connected_ = false;
};

}  // namespace sidebus
