import PluginHost

/// `rehearse FILE ID PARAMETERS SYMBOLS STATE VERSION`: a reload tried out; see `PluginReloadCheck`.
func rehearseVerb(_ words: [String]) -> Int32 {
  let answers = answerDescriptor()
  guard let line = PluginReloadCheck.answer(words) else {
    usage("rehearse takes file, id, parameters, symbols, state and its version")
  }
  write(line, to: answers)
  return 0
}
