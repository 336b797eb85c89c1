import Foundation
import Market
import Storage

/// What the command line answers: asked of the running engine, else read from the store.
public struct EngineReport: Sendable {
  public var text: String
  /// For standard error: where the answer comes from when it is not the engine.
  public var note: String?
  public var exitCode: ExitCode

  /// Meanings of the exit code of `status`, `trades` and `signals`.
  public enum ExitCode: Int32, Sendable {
    case success = 0
    /// Nothing could be told.
    case failure = 1
    /// `status` only: it runs, and is starting or something is wrong with it.
    case notWell = 2
    /// `status` only: no engine runs; what the store knows is shown.
    case notRunning = 3
  }

  /// The engine as it is now.
  public static func status(_ settings: Settings, json: Bool) async -> EngineReport {
    await answer(settings, path: "/status") { data in
      let view = try JSONDecoder().decode(EngineView.self, from: data)
      let exit = view.status == "ok" ? ExitCode.success : .notWell
      if json { return EngineReport(text: String(decoding: data, as: UTF8.self), exitCode: exit) }
      // As wide as it needs to be: this is printed once, not watched.
      let size = TerminalSize(width: 160, height: view.symbols.count + 20)
      return EngineReport(text: LiveTable.render(view, size: size), exitCode: exit)
    } stored: { store, run in
      let summary = try await store.summary(of: run)
      let positions = try await store.positions(atEndOf: run)
      let answer = StoredStatus(
        mode: run.scope.mode, venue: run.scope.venue, summary: summary, positions: positions)
      return EngineReport(
        text: json ? try Self.json(answer) : answer.text, exitCode: .notRunning)
    }
  }

  /// What is held, and the newest round trips, newest first.
  public static func trades(_ settings: Settings, limit: Int, json: Bool) async -> EngineReport {
    await answer(settings, path: "/trades?limit=\(limit)") { data in
      let answer = try JSONDecoder().decode(TradesAnswer.self, from: data)
      return EngineReport(text: json ? String(decoding: data, as: UTF8.self) : table(answer))
    } stored: { store, run in
      let trades = try await store.trades(run.scope, run: nil, limit: limit)
      let answer = TradesAnswer(
        source: .store, mode: run.scope.mode, venue: run.scope.venue,
        positions: try await store.positions(atEndOf: run).map(OpenPosition.init), trades: trades)
      return EngineReport(text: json ? try Self.json(answer) : table(answer))
    }
  }

  /// The newest signals, newest first.
  public static func signals(_ settings: Settings, limit: Int, json: Bool) async -> EngineReport {
    await answer(settings, path: "/signals?limit=\(limit)") { data in
      let answer = try JSONDecoder().decode(SignalsAnswer.self, from: data)
      return EngineReport(text: json ? String(decoding: data, as: UTF8.self) : table(answer.signals))
    } stored: { store, run in
      let signals = try await store.signals(run.scope, run: nil, limit: limit)
      let answer = SignalsAnswer(
        source: .store, mode: run.scope.mode, venue: run.scope.venue, signals: signals)
      return EngineReport(text: json ? try Self.json(answer) : table(signals))
    }
  }

  private init(text: String, note: String? = nil, exitCode: ExitCode = .success) {
    self.text = text
    self.note = note
    self.exitCode = exitCode
  }

  private static func answer(
    _ settings: Settings, path: String, asked: (Data) throws -> EngineReport,
    stored: (any Store, RunKey) async throws -> EngineReport
  ) async -> EngineReport {
    do {
      let token = try settings.api.tokenFile.map { path throws(SettingsError) in
        try HealthAPI.token(file: path)
      }
      return try asked(
        try await HealthAPIClient.get(path, addressPath: settings.apiAddressPath, token: token))
    } catch HealthAPIClient.Failure.notRunning {
      do {
        let store = try SQLiteStore(path: settings.storePath, readOnly: true)
        guard let run = try await store.runs(nil, limit: 1).first else {
          return EngineReport(
            text: "", note: "\(settings.storePath): no run is stored yet; start `aegis run`",
            exitCode: .failure)
        }
        var report = try await stored(store, run.key)
        report.note =
          "no engine is running here; read from \(settings.storePath), last run "
          + "\(time(run.startedNanoseconds)), \(run.key.scope.mode.rawValue) on \(run.key.scope.venue)"
        await store.close()
        return report
      } catch { return EngineReport(text: "", note: "\(error)", exitCode: .failure) }
    } catch { return EngineReport(text: "", note: "\(error)", exitCode: .failure) }
  }

  private struct StoredStatus: Encodable {
    var source = AnswerSource.store
    var status = "stopped"
    var mode: TradingMode
    var venue: String
    var summary: RunSummary?
    var positions: [PositionRow]

    var text: String {
      var lines = ["stopped · \(mode.rawValue) on \(LiveTable.plain(venue))"]
      if let summary {
        lines.append(
          "signals \(summary.signals) · orders \(summary.orders) · fills \(summary.fills) · round trips "
            + "\(summary.trades) (\(summary.wins) won)")
        lines.append(
          "PnL \(summary.net) after fees · fees \(summary.fees) · virtual \(summary.virtualProfit) from "
            + "\(summary.lotsClosed) lots, \(summary.lotsOpen) open")
      }
      for position in positions {
        lines.append(
          "\(LiveTable.plain(position.symbol)) \(position.quantity) at \(position.entryPrice ?? "-"), stop "
            + "\(position.stopPrice ?? "-"), target \(position.targetPrice ?? "-")")
      }
      return lines.joined(separator: "\n")
    }
  }

  private static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  private static func table(_ answer: TradesAnswer) -> String {
    let positions = answer.positions
    let held =
      positions.isEmpty
      ? "no open positions"
      : columns(
        [["OPEN", "QUANTITY", "ENTRY", "STOP", "TARGET", "PNL BEFORE EXIT FEES"]]
          + positions.map {
            [
              LiveTable.plain($0.symbol), $0.quantity, $0.entryPrice ?? "-", $0.stopPrice ?? "-",
              $0.targetPrice ?? "-", $0.unrealized?.description ?? "-",
            ]
          })
    return held + "\n\n" + table(answer.trades)
  }

  private static func table(_ trades: [TradeRow]) -> String {
    guard !trades.isEmpty else { return "no round trips yet" }
    return columns(
      [["CLOSED", "SYMBOL", "SIDE", "QUANTITY", "ENTRY", "EXIT", "FEES", "NET", "REASON"]]
        + trades.map {
          [
            time($0.closedNanoseconds), LiveTable.plain($0.symbol), $0.side, $0.quantity, $0.entryPrice,
            $0.exitPrice, $0.fees.description, $0.net.description, $0.reason,
          ]
        })
  }

  private static func table(_ signals: [SignalRow]) -> String {
    guard !signals.isEmpty else { return "no signals yet" }
    return columns(
      [["TIME", "SYMBOL", "PLUGIN", "SIGNAL", "CONFIDENCE", "OUTCOME"]]
        + signals.map {
          [
            time($0.timeNanoseconds), LiveTable.plain($0.symbol), "\($0.plugin)",
            LiveTable.percent($0.returnFraction, sign: true), LiveTable.percent($0.confidence, sign: false),
            $0.outcome ?? ($0.isObservation ? "observation" : "-"),
          ]
        })
  }

  private static func columns(_ rows: [[String]]) -> String {
    let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
    }.map { line in String(line.reversed().drop { $0 == " " }.reversed()) }.joined(separator: "\n")
  }

  private static func time(_ nanoseconds: Int64) -> String {
    Date(timeIntervalSince1970: Double(nanoseconds / 1_000_000_000)).formatted(.iso8601)
  }
}
