import PluginHost

func scanVerb(_ arguments: HostArguments) -> Int32 {
  limitResources()
  let answers = answerDescriptor()
  var isFine = true
  for file in arguments.files {
    let reports = PluginScan.inspect(file)
    for report in reports { write(report.json, to: answers) }
    write(PluginScan.end(of: file), to: answers)
    isFine = isFine && reports.allSatisfy { $0.state == .ok }
  }
  return isFine ? 0 : 1
}

func describeVerb(_ arguments: HostArguments) -> Int32 {
  limitResources()
  let answers = answerDescriptor()
  for line in PluginPortrait.lines(of: arguments.file) { write(line, to: answers) }
  return 0
}

func checkVerb(_ arguments: HostArguments) -> Int32 {
  guard arguments.files.count == 2 else { usage("check takes a name and a file") }
  limitResources()
  let answers = answerDescriptor()
  let check = PluginValidation.check(
    arguments.files[0], path: arguments.files[1], id: arguments.id, options: arguments.options,
    probe: allocationProbe
  ) { write(PluginValidation.note($0), to: answers) }
  write(check.json, to: answers)
  return check.result == .failed ? 1 : 0
}

func validateVerb(_ arguments: HostArguments) -> Int32 {
  let answers = answerDescriptor()
  let checks: [PluginCheck]
  if arguments.options.isInProcess {
    checks = PluginValidation.inProcess(
      path: arguments.file, options: arguments.options, probe: allocationProbe)
  } else {
    do {
      checks = try PluginValidation.run(
        path: arguments.file, host: "/proc/self/exe", options: arguments.options
      )
      .checks
    } catch {
      write("aegis-plugin-host: \(error)", to: 2)
      return 1
    }
  }
  for check in checks { write(check.json, to: answers) }
  return checks.allSatisfy { $0.result == .ok || $0.result == .warning } ? 0 : 1
}

func traceVerb(_ arguments: HostArguments) -> Int32 {
  limitResources()
  let answers = answerDescriptor()
  do {
    write(
      try PluginTrace.run(
        path: arguments.file, id: arguments.id, options: arguments.options, outputFolder: arguments.output),
      to: answers)
    return 0
  } catch {
    write(PluginTrace.failure(error), to: answers)
    return 1
  }
}
