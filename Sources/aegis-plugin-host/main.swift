import Glibc
import PluginHost

// A slim process in which plugin code may fail: no network, no keys, nothing to lose.
//
//   aegis-plugin-host scan FILE               one line of JSON per plugin
//   aegis-plugin-host validate FILE [SEED]    one line of JSON per check
//   aegis-plugin-host rehearse FILE …         a reload, tried out; for the engine
//   aegis-plugin-host functions FILE [SYM…]   one line of JSON per typed function
//   aegis-plugin-host call FILE < REQUEST     one typed function called once
//   aegis-plugin-host run                     an isolated plugin; started by the engine only
//
// Exit status: 0 fine, 1 the plugin failed, 2 wrong usage.

/// Gives the plugin's own prints to standard error, so that they cannot end up among the answers.
func answerDescriptor() -> Int32 {
  let answers = dup(1)
  dup2(2, 1)
  return answers
}

func write(_ line: String, to descriptor: Int32) {
  var text = line + "\n"
  text.withUTF8 { bytes in
    var written = 0
    while written < bytes.count {
      // Never empty, so it has an address: there is a newline.
      let count = Glibc.write(descriptor, bytes.baseAddress! + written, bytes.count - written)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { exit(1) }  // nobody listens any more
      written += count
    }
  }
}

func usage(_ problem: String) -> Never {
  write(
    "aegis-plugin-host: \(problem); usage: aegis-plugin-host scan FILE | validate FILE [SEED] | functions FILE | call FILE",
    to: 2)
  exit(2)
}

let words = CommandLine.arguments.dropFirst()
guard let verb = words.first else { usage("no command") }
if verb == "run" {
  guard words.count == 1 else { usage("run takes no arguments") }
  exit(runIsolatedPlugin())
}
guard let file = words.dropFirst().first else { usage("\(verb) needs a file") }

switch verb {
case "scan":
  guard words.count == 2 else { usage("scan takes one file") }
  let answers = answerDescriptor()
  let reports = PluginScan.inspect(file)
  for report in reports { write(report.json, to: answers) }
  exit(reports.allSatisfy { $0.state == .ok } ? 0 : 1)
case "validate":
  guard words.count <= 3 else { usage("validate takes a file and a seed") }
  guard let seed = UInt64(words.dropFirst(2).first ?? "1") else { usage("the seed must be a whole number") }
  let answers = answerDescriptor()
  let checks = PluginValidation.run(path: file, seed: seed)
  for check in checks { write(check.json, to: answers) }
  exit(checks.allSatisfy(\.isPassed) ? 0 : 1)
case "rehearse":
  let answers = answerDescriptor()
  guard let line = PluginReloadCheck.answer(Array(words.dropFirst())) else {
    usage("rehearse takes file, id, parameters, symbols, state and its version")
  }
  write(line, to: answers)
  exit(0)
case "functions": exit(functionsVerb(Array(words.dropFirst())))
case "call": exit(callVerb(Array(words.dropFirst())))
default:
  usage("unknown command \"\(verb)\"")
}
