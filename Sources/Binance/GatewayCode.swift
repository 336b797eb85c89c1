/// Our own codes in `ExchangeReport.code`, below those the wire makes of HTTP statuses (-100000…-100999).
public enum GatewayCode {
  /// The command queue was full; nothing was sent.
  public static let queueFull: Int32 = -101_001
  /// Budget, ban or shut down; nothing was sent.
  public static let denied: Int32 = -101_002
  /// No connection to the venue; nothing was sent.
  public static let notSent: Int32 = -101_003
  /// Sent, and no answer: being settled by asking.
  public static let noAnswer: Int32 = -101_004
  /// An answer that could not be read: being settled by asking.
  public static let unreadable: Int32 = -101_005
  /// Settled: the venue never took the order. All sources were asked after its time window had passed.
  public static let neverAccepted: Int32 = -101_006
  /// The order id was used before, for another order; a person must look.
  public static let foreignOrder: Int32 = -101_007
}
