import Glibc
import PluginHost

/// `functions FILE [SYMBOL…]`: a plugin's typed functions, or whether a library that is no plugin has these symbols.
func functionsVerb(_ words: [String]) -> Int32 {
  guard !words.isEmpty else { usage("functions needs a file") }
  let answers = answerDescriptor()
  dropCoreDumps()
  let symbols = Array(words.dropFirst())
  let answer =
    symbols.isEmpty
    ? FunctionService.list(words[0]) : FunctionService.check(words[0], symbols: symbols)
  for line in answer.lines { write(line, to: answers) }
  return answer.isFine ? 0 : 1
}

/// `call FILE`: reads one request from standard input and answers with bytes; see `FunctionMessage`.
func callVerb(_ words: [String]) -> Int32 {
  guard words.count == 1 else { usage("call takes one file, and its request from standard input") }
  let answers = answerDescriptor()
  dropCoreDumps()
  let answer = FunctionService.answer(standardInput(), file: words[0])
  answer.bytes.withUnsafeBytes { bytes in
    var written = 0
    while written < bytes.count {
      let count = Glibc.write(answers, bytes.baseAddress! + written, bytes.count - written)  // not empty
      if count < 0, errno == EINTR { continue }
      if count <= 0 { exit(1) }  // nobody listens any more
      written += count
    }
  }
  return answer.isFine ? 0 : 1
}

private func standardInput() -> [UInt8] {
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(0, &buffer, buffer.count)
    if count < 0, errno == EINTR { continue }
    if count <= 0 { return bytes }
    bytes += buffer[..<count]
  }
}

/// A crash here is an answer, not something to examine later.
private func dropCoreDumps() {
  var none = rlimit(rlim_cur: 0, rlim_max: 0)
  setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
}
