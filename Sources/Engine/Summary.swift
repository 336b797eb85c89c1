import Storage

/// What a run did, in a few lines for its end.
public enum Summary {
  public static func text(_ view: EngineView) -> String {
    let totals = view.totals
    var lines = [
      "\(view.mode.rawValue) on \(LiveTable.plain(view.venue)), \(duration(view.uptimeSeconds))",
      "inputs        \(totals.inputs)" + (totals.ringGaps > 0 ? " (\(totals.ringGaps) gaps)" : ""),
      "signals       \(totals.signals)",
      "orders        \(totals.orders)",
      "round trips   \(totals.roundTrips) (\(totals.wins) won), \(totals.openPositions) positions open",
      "fees          \(totals.fees)",
      "PnL           \(totals.net) after fees",
      "equity        \(totals.equity)",
      "virtual       \(totals.ledger.balance) (\(totals.ledger.net) from \(totals.ledger.lotsClosed) lots, "
        + "\(totals.ledger.lotsOpen) open)",
    ]
    if !totals.refusals.isEmpty {
      lines.append(
        "refused       " + totals.refusals.map { "\($0.name) \($0.count)" }.joined(separator: ", "))
    }
    if view.store.isDegraded {
      lines.append("store         degraded: \(LiveTable.plain(view.store.detail ?? ""))")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// `1h 02m 03s`, `4m 05s`, `6.7s`.
  public static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "-" }
    if seconds < 60 {
      let tenths = Int(seconds * 10)
      return "\(tenths / 10).\(tenths % 10)s"
    }
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let whole = Int(seconds)
    let (hours, minutes) = (whole / 3600, whole / 60 % 60)
    return hours > 0
      ? "\(hours)h \(two(minutes))m \(two(whole % 60))s" : "\(minutes)m \(two(whole % 60))s"
  }
}
