import Foundation
import PluginHost

/// `aegis plugins call`: one typed function, called once, in a process of its own.
public struct PluginCall: Sendable {
  public var settings: Settings
  /// A plugin's id, a library's name in the plugin folder, a bound library's id, or a path.
  public var library: String
  public var function: String
  /// `name=value`, or values in order.
  public var words: [String]
  public var candleFile: String?
  public var outputFile: String?
  public var timeoutMilliseconds: Int

  public init(
    settings: Settings, library: String, function: String, words: [String], candleFile: String? = nil,
    outputFile: String? = nil, timeoutMilliseconds: Int = 60_000
  ) {
    self.settings = settings
    self.library = library
    self.function = function
    self.words = words
    self.candleFile = candleFile
    self.outputFile = outputFile
    self.timeoutMilliseconds = timeoutMilliseconds
  }

  /// `aegis-plugin-host` beside this program.
  static var hostPath: String {
    Settings.pluginHostPath
  }

  /// - Returns: what to print.
  public func run(json: Bool) throws(PluginCommandFailure) -> String {
    do {
      return try outcome(json: json)
    } catch {
      throw PluginCommandFailure(error)
    }
  }

  private func outcome(json: Bool) throws -> String {
    let source = try FunctionSource.find(library, settings: settings)
    let targets = try source.targets(named: library)
    guard let target = targets.first(where: { $0.name == function }) else {
      throw FunctionError.unknownFunction(library: library, name: function, known: targets.map(\.name))
    }
    let candles = try candleFile.map { try NumberFile.candles($0) }
    let values = try FunctionArguments(
      function: function, signature: target.signature, candles: candles,
      readColumn: { (file, column) throws(FunctionArguments.Refusal) in
        try NumberFile.column(column, of: file)
      }
    ).bind(words)
    let answer = try FunctionRequest(target, values: values).answer(
      host: Self.hostPath, timeoutMilliseconds: timeoutMilliseconds)
    switch answer {
    case .outcome(let outcome):
      return try text(outcome, PluginCallTable(outcome, candles: candles), target, values, json: json)
    case .failed(let reason): throw FunctionError.child(reason)
    case .causal: throw FunctionError.child("\(Self.hostPath): answered another question")
    }
  }

  private func text(
    _ outcome: FunctionOutcome, _ table: PluginCallTable, _ target: FunctionRequest.Target,
    _ values: [FunctionValue], json: Bool
  ) throws -> String {
    let said = values.compactMap(Self.shown).joined(separator: ", ")
    var lines: [String] = []
    switch outcome.result {
    case .none: break
    case .number(let number): lines.append("\(function)(\(said)) = \(PluginCallTable.shortText(number))")
    case .integer(let number): lines.append("\(function)(\(said)) = \(number)")
    case .flag(let flag): lines.append("\(function)(\(said)) = \(flag)")
    }
    if let outputFile, !outcome.columns.isEmpty {
      try write(table.csv, to: outputFile)
      lines.append(
        "\(outputFile): \(table.rowCount) rows of \(table.names.joined(separator: ", "))")
    }
    if json {
      return try PluginCallAnswer(
        library: target.library, function: function, signature: target.signature.text,
        result: PluginCallAnswer.Scalar(outcome.result), output: outputFile,
        columns: outputFile == nil && !outcome.columns.isEmpty ? table.columns : nil
      ).json()
    }
    if outputFile == nil, !outcome.columns.isEmpty {
      lines.append(table.csv.trimmingCharacters(in: .newlines))
    }
    return lines.isEmpty ? "\(function)(\(said)) gave nothing back" : lines.joined(separator: "\n")
  }

  /// Written beside its place and put there whole.
  private func write(_ text: String, to file: String) throws(FunctionError) {
    do {
      try Data(text.utf8).write(to: URL(filePath: file), options: .atomic)
    } catch {
      throw .child(
        "--output \(file): cannot be written (\(error.localizedDescription)); name a file in a folder you may write to"
      )
    }
  }

  private static func shown(_ value: FunctionValue) -> String? {
    switch value {
    case .number(let number): PluginCallTable.shortText(number)
    case .integer(let number): "\(number)"
    case .flag(let flag): "\(flag)"
    case .text(let text): "\"\(text)\""
    case .list(let list): "list of \(list.count)"
    case .candles(let candles): "\(candles.count) candles"
    }
  }
}

/// Why a command about plugins ended: what to print on standard error, and the exit code.
public struct PluginCommandFailure: Error {
  public let text: String
  /// 1 it failed, 2 wrong usage, 3 there is no such thing.
  public let exitCode: Int32

  init(_ error: any Error) {
    text = "error: \(error)"
    guard let error = error as? FunctionError else {
      exitCode = 1
      return
    }
    exitCode = error.isUsage ? 2 : error.isNotFound ? 3 : 1
  }
}
