// ross completion: scripts that let a shell complete commands, options and the host's paths.
//
// They are made from the command line's own grammar, so they cannot miss a command.
#include <memory>

#include "apps/ross/command.h"

namespace ross::cli {
namespace {

std::string words_of(const Described& known) {
  std::string text;
  for (const auto& [word, description] : known.words) text += word + " ";
  for (const auto& [word, description] : known.options) text += word + " ";
  if (text.find("--json") == text.npos) text += "--json ";
  text.pop_back();
  return text;
}

// Text between single quotes for a shell.
std::string in_quotes(const std::string& text) {
  std::string safe;
  for (const char c : text) safe += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return "'" + safe + "'";
}

std::string bash_script(const std::vector<Described>& all) {
  std::string script =
      "# bash completion of ross: source it, or put it into /etc/bash_completion.d\n"
      "_ross() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" path=\"\" word words\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"$path $word\" in\n";
  for (const Described& known : all) {
    if (!known.path.empty()) {
      const std::size_t space = known.path.rfind(' ');
      const std::string before = space == known.path.npos ? "" : known.path.substr(0, space);
      script += fmt::format("      {}) path={} ;;\n", in_quotes(before + " " + known.path.substr(space + 1)),
                            in_quotes(known.path));
    }
  }
  script += "    esac\n  done\n  case \"$path\" in\n";
  for (const Described& known : all)
    script += fmt::format("    {}) words={} ;;\n", in_quotes(known.path), in_quotes(words_of(known)));
  script +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  case \"$current\" in -*) ;; *) COMPREPLY+=($(compgen -f -- \"$current\")) ;; esac\n"
      "}\n"
      "complete -o filenames -F _ross ross\n";
  return script;
}

std::string zsh_script(const std::vector<Described>& all) {
  std::string script =
      "#compdef ross\n"
      "# zsh completion of ross: put it into a folder of $fpath as _ross\n"
      "_ross() {\n"
      "  local at word; local -a names\n"
      "  for word in ${words[2,CURRENT-1]}; do\n"
      "    case \"$at $word\" in\n";
  for (const Described& known : all) {
    if (!known.path.empty()) {
      const std::size_t space = known.path.rfind(' ');
      const std::string before = space == known.path.npos ? "" : known.path.substr(0, space);
      script += fmt::format("      {}) at={} ;;\n", in_quotes(before + " " + known.path.substr(space + 1)),
                            in_quotes(known.path));
    }
  }
  script += "    esac\n  done\n  case \"$at\" in\n";
  for (const Described& known : all) {
    script += fmt::format("    {}) names=(", in_quotes(known.path));
    const auto add = [&](const std::pair<std::string, std::string>& word) {
      std::string description = word.second;
      for (char& c : description) c = c == ':' || c == '\n' ? ' ' : c;
      script += in_quotes(word.first + ":" + description) + " ";
    };
    for (const auto& word : known.words) add(word);
    for (const auto& option : known.options) add(option);
    script += ") ;;\n";
  }
  script += "  esac\n  _describe 'ross' names\n  _files\n}\n_ross \"$@\"\n";
  return script;
}

std::string fish_script(const std::vector<Described>& all) {
  std::string script = "# fish completion of ross: put it into ~/.config/fish/completions/ross.fish\n";
  for (const Described& known : all) {
    const std::string first = known.path.substr(0, known.path.find(' '));
    std::string condition = known.path.empty() ? "__fish_use_subcommand" : "__fish_seen_subcommand_from " + first;
    if (known.path != first) condition += "; and __fish_seen_subcommand_from " + known.path.substr(first.size() + 1);
    for (const auto& [word, description] : known.words) {
      script += fmt::format("complete -c ross -n {} -a {} -d {}\n", in_quotes(condition), in_quotes(word),
                            in_quotes(description));
    }
    for (const auto& [option, description] : known.options) {
      const bool is_long = option.starts_with("--");
      script += fmt::format("complete -c ross -n {} -{} {} -d {}\n", in_quotes(condition), is_long ? 'l' : 's',
                            in_quotes(option.substr(is_long ? 2 : 1)), in_quotes(description));
    }
  }
  return script;
}

}  // namespace

void add_completion(Commands& commands) {
  auto shell = std::make_shared<std::string>();  // lives as long as the command that captures it
  Command& command = commands.add("completion", "Print a script that completes ross in a shell");
  command.option("SHELL", *shell, "bash, zsh or fish").required().one_of({"bash", "zsh", "fish"});
  command.on_run([shell, &commands](Context& context) {
    const std::vector<Described> all = commands.describe();
    const std::string script = *shell == "bash"  ? bash_script(all)
                               : *shell == "zsh" ? zsh_script(all)
                                                 : fish_script(all);
    context.out.object(Json::object({{"shell", *shell}, {"script", script}}), script);
    return Status();
  });
}

}  // namespace ross::cli
