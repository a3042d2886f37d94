// The only file that knows yaml-cpp.
#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <exception>
#include <sstream>
#include <unordered_map>

#include "server/base/utf8.h"
#include "server/config/document.h"

namespace sidebus {
namespace {

constexpr std::size_t kMaxDepth = 32;
// A tree of more is no configuration but a bomb made of aliases.
constexpr std::size_t kMaxNodes = 200'000;
constexpr std::size_t kMaxTreeBytes = 16 << 20;

// Ends the parse; yaml-cpp passes it through.
struct GiveUp : std::exception {
  GiveUp(const YAML::Mark& at, std::string why) : mark(at), what_is_wrong(std::move(why)) {}
  YAML::Mark mark;
  std::string what_is_wrong;
};

// Builds the tree from the parser's events, so that duplicates are seen and aliases are counted
// before they are copied.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& source, std::vector<ConfigProblem>& problems)
      : source_(source), problems_(problems) {}

  bool has_root() const { return has_root_; }
  ConfigNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Leaf(mark, anchor, NodeAt(mark, ConfigNode::Kind::kNull));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool is_text = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (!is_text) CheckTag(mark, tag);
    ConfigNode node = NodeAt(mark, ConfigNode::Kind::kScalar);
    node.plain = !is_text;
    node.text = value;
    Leaf(mark, anchor, std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) throw GiveUp(mark, "an alias inside its own anchor");
    Charge(mark, it->second);
    ConfigNode copy = it->second;
    copy.line = mark.line + 1;
    copy.column = mark.column + 1;
    Add(mark, std::move(copy));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, ConfigNode::Kind::kList);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, ConfigNode::Kind::kMap);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    ConfigNode node;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    std::optional<ConfigNode> key;               // of the value that comes next
    std::unordered_map<std::string, int> lines;  // of the keys seen
  };

  static ConfigNode NodeAt(const YAML::Mark& mark, ConfigNode::Kind kind) {
    ConfigNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  static void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw GiveUp(mark, fmt::format("the tag {} is not understood; remove it", tag));
    }
  }

  void Charge(const YAML::Mark& mark, const ConfigNode& node) {
    bytes_ += sizeof(ConfigNode) + node.text.size() + node.key.size();
    if (++nodes_ > kMaxNodes || bytes_ > kMaxTreeBytes) {
      throw GiveUp(mark, "too many values once the aliases are expanded; write it with fewer");
    }
    for (const ConfigNode& child : node.children) Charge(mark, child);
  }

  void Leaf(const YAML::Mark& mark, YAML::anchor_t anchor, ConfigNode node) {
    Charge(mark, node);
    if (anchor != 0) anchors_[anchor] = node;
    Add(mark, std::move(node));
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            ConfigNode::Kind kind) {
    CheckTag(mark, tag);
    if (stack_.size() >= kMaxDepth) throw GiveUp(mark, "nested too deep");
    Frame frame;
    frame.node = NodeAt(mark, kind);
    frame.mark = mark;
    frame.anchor = anchor;
    Charge(mark, frame.node);
    stack_.push_back(std::move(frame));
  }

  void Close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    if (frame.anchor != 0) {
      Charge(frame.mark, frame.node);
      anchors_[frame.anchor] = frame.node;
    }
    Add(frame.mark, std::move(frame.node));
  }

  void Add(const YAML::Mark& mark, ConfigNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      has_root_ = true;
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind == ConfigNode::Kind::kList) {
      frame.node.children.push_back(std::move(node));
    } else if (!frame.key) {
      if (node.kind != ConfigNode::Kind::kScalar) throw GiveUp(mark, "a key must be text");
      frame.key = std::move(node);
    } else {
      AddEntry(frame, std::move(node));
    }
  }

  void AddEntry(Frame& frame, ConfigNode value) {
    value.key = std::move(frame.key->text);
    value.line = frame.key->line;
    value.column = frame.key->column;
    frame.key.reset();
    const auto [it, added] = frame.lines.emplace(value.key, value.line);
    if (added) {
      frame.node.children.push_back(std::move(value));
    } else {
      problems_.push_back(
          {source_, value.line, value.column, PathOf(value.key),
           fmt::format("duplicate key; the first is in line {}; remove one", it->second)});
    }
  }

  std::string PathOf(const std::string& key) const {
    std::string path;
    for (const Frame& frame : stack_) {
      if (frame.key) path += frame.key->text + ".";
    }
    return path + key;
  }

  const std::string& source_;
  std::vector<ConfigProblem>& problems_;
  std::vector<Frame> stack_;
  std::unordered_map<YAML::anchor_t, ConfigNode> anchors_;
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
  ConfigNode root_;
  bool has_root_ = false;
};

struct Place {
  int line = 1;
  int column = 1;
};

Place PlaceOf(std::string_view text, std::size_t offset) {
  Place place;
  for (const char c : text.substr(0, offset)) {
    place = c == '\n' ? Place{place.line + 1, 1} : Place{place.line, place.column + 1};
  }
  return place;
}

// Says why `text` is nothing to hand to a YAML parser; empty when it is.
std::string CheckText(std::string_view text, std::size_t* offset) {
  if (text.size() > kMaxConfigBytes) return "is larger than 1 MiB, the most that is read";
  if (text.substr(0, 3) == "\xEF\xBB\xBF" || text.substr(0, 2) == "\xFF\xFE" ||
      text.substr(0, 2) == "\xFE\xFF") {
    return "starts with a byte order mark; save it as UTF-8 without one";
  }
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = Utf8Length(text.substr(i));
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool control =
        (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F;
    if (length == 0 || control) {
      *offset = i;
      return fmt::format("is not UTF-8 text: byte 0x{:02X}", byte);
    }
    i += length;
  }
  // JSON may be indented with tabs. In YAML they may not, and the parser does not see all of them.
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text[start] == '{' || text[start] == '[') return "";
  for (std::size_t line = 0; line < text.size();) {
    const std::size_t end = std::min(text.find('\n', line), text.size());
    const std::size_t word = std::min(text.find_first_not_of(" \t\r", line), end);
    const std::size_t tab = text.find('\t', line);
    if (word < end && text[word] != '#' && tab < word) {
      *offset = tab;
      return "a tab in the indentation; YAML is indented with spaces";
    }
    line = end + 1;
  }
  return "";
}

}  // namespace

std::optional<ConfigNode> ParseConfigText(const std::string& text, const std::string& source,
                                          std::vector<ConfigProblem>& problems) {
  const auto refuse = [&](int line, int column, std::string what) {
    problems.push_back({source, line, column, "", std::move(what)});
    return std::nullopt;
  };
  std::size_t offset = 0;
  if (std::string what = CheckText(text, &offset); !what.empty()) {
    const Place place = PlaceOf(text, offset);
    return refuse(place.line, place.column, std::move(what));
  }
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    TreeBuilder builder(source, problems);
    parser.HandleNextDocument(builder);
    if (!builder.has_root()) return refuse(0, 0, "is empty");
    ConfigNode root = builder.TakeRoot();
    if (root.kind == ConfigNode::Kind::kNull) return refuse(0, 0, "is empty");
    if (parser.HandleNextDocument(builder)) {
      return refuse(0, 0, "has more than one document; remove what follows ---");
    }
    return root;
  } catch (const GiveUp& error) {
    return refuse(error.mark.line + 1, error.mark.column + 1, error.what_is_wrong);
  } catch (const YAML::Exception& error) {
    return refuse(error.mark.line + 1, error.mark.column + 1,
                  fmt::format("is no YAML or JSON: {}", error.msg));
  }
}

}  // namespace sidebus
