import Glibc

// A slim process in which plugin code may fail: no network, no keys, nothing to lose.
//
//   aegis-plugin-host scan FILE…                 one line of JSON per plugin, then one that ends the file
//   aegis-plugin-host describe FILE              everything of the tables, a line of JSON per row
//   aegis-plugin-host check NAME FILE [options]  makes one check: notes of what it is at, then its result
//   aegis-plugin-host validate FILE [options]    every check, each in a child of this program; a line of JSON each
//   aegis-plugin-host trace FILE [options]       a history through a plugin; writes events.csv and signals.csv
//   aegis-plugin-host functions FILE [SYMBOL…]   one line of JSON per typed function
//   aegis-plugin-host call FILE < REQUEST        one typed function called once
//   aegis-plugin-host rehearse FILE …            a reload, tried out; started by the engine only
//   aegis-plugin-host run                        an isolated plugin; started by the engine only
//
// Options: --id ID, --seed N, --budget-us N, --history FILE (as aegis writes it), --timeout-ms N, --in-process,
// --only NAME, --output FOLDER, and parameters as name=value.
// Exit status: 0 fine, 1 the plugin failed, 2 wrong usage.

func usage(_ problem: String) -> Never {
  write(
    "aegis-plugin-host: \(problem); verbs: scan, describe, check, validate, trace, functions, call, rehearse, run",
    to: 2)
  exit(2)
}

let words = Array(CommandLine.arguments.dropFirst())
guard let verb = words.first else { usage("no command") }

switch verb {
case "scan": exit(scanVerb(HostArguments(words)))
case "describe": exit(describeVerb(HostArguments(words)))
case "check": exit(checkVerb(HostArguments(words)))
case "validate": exit(validateVerb(HostArguments(words)))
case "trace": exit(traceVerb(HostArguments(words)))
case "functions": exit(functionsVerb(Array(words.dropFirst())))
case "call": exit(callVerb(Array(words.dropFirst())))
case "rehearse": exit(rehearseVerb(Array(words.dropFirst())))
case "run":
  guard words.count == 1 else { usage("run takes no arguments") }
  exit(runIsolatedPlugin())
default: usage("unknown command \"\(verb)\"")
}
