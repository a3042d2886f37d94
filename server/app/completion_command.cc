#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/app/commands.h"

namespace sidebus {
namespace {

// One verb, or the program itself: what may follow its words.
struct CompletedVerb {
  std::string words;  // "config check"; empty: the program
  std::string help;
  std::vector<std::string> verbs;
  struct Flag {
    std::string name;  // "--output"
    std::string help;
    std::vector<std::string> choices;  // "text", "json"
    bool is_file = false;
    bool takes_value = false;
  };
  std::vector<Flag> flags;
};

// The words between the braces of "TEXT:{text,json}".
std::vector<std::string> ChoicesOf(const std::string& type) {
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}');
  std::vector<std::string> words;
  if (open == std::string::npos || close == std::string::npos) return words;
  for (std::size_t at = open + 1; at < close;) {
    const std::size_t end = std::min(type.find(',', at), close);
    words.push_back(type.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

void Collect(const CLI::App& app, const std::string& words, std::vector<CompletedVerb>& verbs) {
  CompletedVerb verb;
  verb.words = words;
  verb.help = app.get_description();
  const auto subcommands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* sub : subcommands) verb.verbs.push_back(sub->get_name());
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      verb.flags.push_back({"--" + name, option->get_description(),
                            ChoicesOf(option->get_type_name()), option->get_type_name() == "FILE",
                            option->get_items_expected_max() > 0});
    }
  }
  verbs.push_back(std::move(verb));
  for (const CLI::App* sub : subcommands) {
    Collect(*sub, words.empty() ? sub->get_name() : words + " " + sub->get_name(), verbs);
  }
}

std::string Joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

std::string BashScript(const std::vector<CompletedVerb>& verbs) {
  std::string known;
  std::string values;
  std::string words;
  for (const CompletedVerb& verb : verbs) {
    if (!verb.words.empty())
      known += (known.empty() ? "" : "|") + fmt::format("\" {}\"", verb.words);
    std::vector<std::string> all = verb.verbs;
    for (const CompletedVerb::Flag& flag : verb.flags) {
      all.push_back(flag.name);
      if (!flag.takes_value) continue;
      const std::string reply = flag.choices.empty()
                                    ? (flag.is_file ? "-f" : "-W \"\"")
                                    : fmt::format("-W \"{}\"", Joined(flag.choices));
      values += fmt::format("    \"{} {}\") COMPREPLY=($(compgen {} -- \"$cur\")); return ;;\n",
                            verb.words, flag.name, reply);
    }
    words += fmt::format("    \"{}\") words=\"{}\" ;;\n", verb.words, Joined(all));
  }
  return fmt::format(R"(# Completion of sidebus for bash.
_sidebus() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" verb="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case " ${{verb:+$verb }}${{COMP_WORDS[i]}}" in
      {}) verb="${{verb:+$verb }}${{COMP_WORDS[i]}}" ;;
    esac
  done
  case "$verb $prev" in
{}  esac
  case "$verb" in
{}  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o default -F _sidebus sidebus
)",
                     known, values, words);
}

// Between single quotes.
std::string FishText(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// When the words of a verb have been typed and none of those below it.
std::string FishCondition(const CompletedVerb& verb) {
  if (verb.words.empty()) return "__fish_use_subcommand";
  std::string condition;
  for (std::size_t at = 0; at < verb.words.size();) {
    const std::size_t end = std::min(verb.words.find(' ', at), verb.words.size());
    condition += (condition.empty() ? "" : "; and ") +
                 ("__fish_seen_subcommand_from " + verb.words.substr(at, end - at));
    at = end + 1;
  }
  if (verb.verbs.empty()) return condition;
  return condition + "; and not __fish_seen_subcommand_from " + Joined(verb.verbs);
}

std::string FishScript(const std::vector<CompletedVerb>& verbs) {
  std::string script = "# Completion of sidebus for fish.\n";
  for (const CompletedVerb& verb : verbs) {
    const std::string when = FishText(FishCondition(verb));
    for (const std::string& name : verb.verbs) {
      const std::string words = verb.words.empty() ? name : verb.words + " " + name;
      for (const CompletedVerb& below : verbs) {
        if (below.words != words) continue;
        script += fmt::format("complete -c sidebus -f -n {} -a {} -d {}\n", when, name,
                              FishText(below.help));
      }
    }
    for (const CompletedVerb::Flag& flag : verb.flags) {
      script += fmt::format(
          "complete -c sidebus -n {} -l {}{}{} -d {}\n", when, flag.name.substr(2),
          flag.takes_value ? (flag.is_file ? " -r" : " -x") : "",
          flag.choices.empty() ? "" : " -a " + FishText(Joined(flag.choices)), FishText(flag.help));
    }
  }
  return script;
}

}  // namespace

std::string CompletionScript(const CLI::App& app, const std::string& shell) {
  std::vector<CompletedVerb> verbs;
  Collect(app, "", verbs);
  if (shell == "bash") return BashScript(verbs);
  if (shell == "zsh") {
    return "#compdef sidebus\nautoload -U +X compinit && compinit\n"
           "autoload -U +X bashcompinit && bashcompinit\n" +
           BashScript(verbs);
  }
  return shell == "fish" ? FishScript(verbs) : "";
}

void AddCompletionCommand(CLI::App& app, int& exit_code) {
  CLI::App* completion = app.add_subcommand("completion", "Print a completion script for a shell");
  const auto shell = std::make_shared<std::string>();
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->footer(
      "Examples:\n"
      "  source <(sidebus completion bash)\n"
      "  sidebus completion fish > ~/.config/fish/completions/sidebus.fish");
  completion->callback([&app, shell, &exit_code] {
    fmt::print("{}", CompletionScript(app, *shell));
    exit_code = 0;
  });
}

}  // namespace sidebus
