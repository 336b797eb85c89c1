import PluginABI

/// What a plugin said during a trial.
struct TrialOutput {
  struct Emission {
    var signal: aegis_signal
    var features: [Float]
    /// Position of the event that caused it among the trial's events.
    var eventIndex: Int

    func isSame(as other: Emission) -> Bool {
      features.map(\.bitPattern) == other.features.map(\.bitPattern)
        && withUnsafeBytes(of: signal) { a in withUnsafeBytes(of: other.signal) { b in a.elementsEqual(b) } }
    }
  }

  struct Note {
    var annotation: PluginAnnotation
    var eventIndex: Int
  }

  /// A broken rule and where.
  struct Refusal {
    var reason: SignalRefusal
    var eventIndex: Int
  }

  var signals: [Emission] = []
  var notes: [Note] = []
  /// The first of each reason; `refusalCounts` has how many.
  var refusals: [Refusal] = []
  var refusalCounts = [Int](repeating: 0, count: SignalRefusal.allCases.count)
  var refusedNoteCount: UInt64 = 0
  var droppedNoteCount: UInt64 = 0
  var eventCount = 0
  var callCount = 0
  /// Records changed behind the end of the output array, or nil.
  var overrun: String?

  mutating func refuse(_ reason: SignalRefusal, _ eventIndex: Int) {
    if refusalCounts[reason.rawValue] == 0 {
      refusals.append(Refusal(reason: reason, eventIndex: eventIndex))
    }
    refusalCounts[reason.rawValue] += 1
  }

  var refusedCount: Int { refusalCounts.reduce(0, +) }

  /// The first event at which two outputs differ, among causes before `limit`; nil when they agree there.
  func firstDifference(from other: TrialOutput, before limit: Int = .max) -> Difference? {
    let signal = Self.difference(signals, other.signals, limit, \.eventIndex) { $0.isSame(as: $1) }
    let note = Self.difference(notes, other.notes, limit, \.eventIndex) {
      $0.annotation.isSame(as: $1.annotation)
    }
    switch (signal, note) {
    case (nil, nil): return nil
    case (let signal?, nil): return Difference(eventIndex: signal, what: "signal")
    case (nil, let note?): return Difference(eventIndex: note, what: "annotation")
    case (let signal?, let note?):
      return signal <= note
        ? Difference(eventIndex: signal, what: "signal") : Difference(eventIndex: note, what: "annotation")
    }
  }

  struct Difference {
    var eventIndex: Int
    var what: String
  }

  private static func difference<Element>(
    _ a: [Element], _ b: [Element], _ limit: Int, _ cause: KeyPath<Element, Int>,
    _ isSame: (Element, Element) -> Bool
  ) -> Int? {
    let a = a.filter { $0[keyPath: cause] < limit }
    let b = b.filter { $0[keyPath: cause] < limit }
    for (x, y) in zip(a, b) where !isSame(x, y) { return min(x[keyPath: cause], y[keyPath: cause]) }
    guard a.count != b.count else { return nil }
    return a.count > b.count ? a[b.count][keyPath: cause] : b[a.count][keyPath: cause]
  }
}
