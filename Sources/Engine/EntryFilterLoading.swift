import Foundation
import Market
import PluginHost

/// Why a run cannot start with its entry filter.
enum EntryFilterError: Error, CustomStringConvertible {
  /// The text, with the place.
  case expression(EntryExpression.Problem)
  case library(name: String, FunctionError)
  case otherLibrary(name: String, expected: String, found: String, path: String)
  case timeframe(wanted: Timeframe, given: Timeframe)

  var description: String {
    switch self {
    case .expression(let problem): problem.description
    case .library(let name, let error): "plugins.entryFilter: \(name): \(error)"
    case .otherLibrary(let name, let expected, let found, let path):
      "plugins.entryFilter: \(name): \(path) has the hash \(found.prefix(16))…, the run used \(expected.prefix(16))…; restore the file"
    case .timeframe(let wanted, let given):
      "plugins.entryFilterTimeframe: \(wanted.name) is shorter than the candles given (\(given.name)); set it to \(given.name) or longer"
    }
  }
}

extension EntryFilter {
  /// The library of functions without a name in front.
  static let defaultLibrary = "indicators"

  /// Parses and checks the setting, has every function tested in a child process, and maps the libraries.   [control]
  ///
  /// - Parameters:
  ///   - cacheDirectory: private folder for the libraries' copies.
  ///   - keepsCopy: the copies stay there, for a replay of the run.
  ///   - kept: what a recorded run used, and where its copies lie; nil looks the libraries up by their names.
  ///   - candles: the shortest candles there are.
  /// - Returns: nil when the settings name no filter.
  static func load(
    _ settings: Settings, cacheDirectory: String, keepsCopy: Bool = false, instrumentCount: Int,
    kept: (files: [RunRecord.FunctionFile], folder: String)? = nil, candles: Timeframe? = nil
  ) throws(EntryFilterError) -> EntryFilter? {
    guard let text = settings.plugins.entryFilter else { return nil }
    let timeframe = settings.plugins.entryFilterTimeframe
    if let candles, timeframe < candles { throw .timeframe(wanted: timeframe, given: candles) }
    let expression: EntryExpression
    do throws(EntryExpression.Problem) {
      expression = try EntryExpression(parsing: text)
    } catch {
      throw .expression(error)
    }
    var compiler = EntryFilterCompiler(text: text) { (name) throws(EntryFilterError) in
      try EntryFilterLibrary(name, settings: settings, kept: kept)
    }
    let condition = try compiler.condition(expression.root)
    var files: [RunRecord.FunctionFile] = []
    var calls: [EntryFilterCall] = []
    var mapped: [String: FunctionLibrary] = [:]
    for library in compiler.libraries {
      mapped[library.name] = try library.map(cacheDirectory: cacheDirectory, keepsCopy: keepsCopy)
      files.append(library.record)
    }
    for planned in compiler.calls { calls.append(try planned.make(from: mapped[planned.library])) }
    return EntryFilter(
      timeframe: timeframe, condition: condition, calls: calls, files: files,
      instrumentCount: instrumentCount)
  }
}

/// One library an expression names, as a child process sees it.
struct EntryFilterLibrary {
  let name: String
  let source: FunctionSource
  let targets: [FunctionRequest.Target]

  init(
    _ name: String, settings: Settings, kept: (files: [RunRecord.FunctionFile], folder: String)?
  ) throws(EntryFilterError) {
    self.name = name
    do throws(FunctionError) {
      if let kept {
        source = try Self.source(name, kept)
        // Kept copies bear their hash as name; ids are those of the plugin.
        targets = try source.targets(named: name)
      } else {
        source = try FunctionSource.find(name, settings: settings)
        targets = try source.targets(named: name)
      }
    } catch {
      throw .library(name: name, error)
    }
    if let expected = kept?.files.first(where: { $0.library == name })?.sha256,
      let found = targets.first, found.sha256 != expected
    {
      throw .otherLibrary(name: name, expected: expected, found: found.sha256, path: found.file)
    }
  }

  private static func source(
    _ name: String, _ kept: (files: [RunRecord.FunctionFile], folder: String)
  ) throws(FunctionError) -> FunctionSource {
    guard let file = kept.files.first(where: { $0.library == name }) else {
      throw .child("the run's record names no such library of functions")
    }
    let path = "\(kept.folder)/\(file.file)"
    guard let bound = file.bound else { return .plugin(path: path) }
    var functions: [FunctionBinding.Declared] = []
    for declared in bound {
      do throws(FunctionSignature.Problem) {
        functions.append(
          .init(
            name: declared.name, signature: try FunctionSignature(parsing: declared.signature), isCausal: true
          ))
      } catch {
        throw .declaration(library: name, name: declared.name, reason: error.description)
      }
    }
    return .binding(FunctionBinding(id: name, path: path, sha256: file.sha256, functions: functions))
  }

  var record: RunRecord.FunctionFile {
    let sha256 = targets.first?.sha256 ?? ""
    var bound: [RunRecord.FunctionFile.Bound]?
    if case .binding(let binding) = source {
      bound = binding.functions.filter(\.isCausal).map { .init(name: $0.name, signature: $0.signature.text) }
    }
    return RunRecord.FunctionFile(library: name, sha256: sha256, file: "\(sha256).so", bound: bound)
  }

  func map(cacheDirectory: String, keepsCopy: Bool) throws(EntryFilterError) -> FunctionLibrary {
    let library: FunctionLibrary
    do throws(FunctionError) {
      library = try source.load(cacheDirectory: cacheDirectory, keepsCopy: keepsCopy)
    } catch {
      throw .library(name: name, error)
    }
    if let checked = targets.first, checked.sha256 != library.sha256 {
      throw .otherLibrary(
        name: name, expected: checked.sha256, found: library.sha256, path: library.file)
    }
    return library
  }
}

/// A call the expression needs, checked: what is left is to map its library.
struct EntryFilterPlan: Equatable {
  let library: String
  let target: FunctionRequest.Target
  /// One per input; lists are in `lists`.
  let constants: [Int: FunctionValue]
  let lists: [Int: EntryFilterSeries]
  let column: Int?

  func make(from library: FunctionLibrary?) throws(EntryFilterError) -> EntryFilterCall {
    do throws(FunctionError) {
      guard let function = try library?.function(target.name, of: target.library),
        function.signature == target.signature
      else { throw .child("\(target.file) changed while it was looked at; try again") }
      let call = FunctionCall(function)
      for (argument, value) in constants {
        switch value {
        case .number(let number): call.set(argument, number)
        case .integer(let number): call.set(argument, number)
        case .flag(let flag): call.set(argument, flag)
        case .text(let text): call.set(argument, text)
        case .list, .candles: preconditionFailure("constants are neither lists nor candles")
        }
      }
      return EntryFilterCall(
        call: call, lists: lists.sorted { $0.key < $1.key }.map { (argument: $0.key, series: $0.value) },
        column: column)
    } catch {
      throw .library(name: self.library, error)
    }
  }
}
