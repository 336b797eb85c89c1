import BinanceWire
public import Logging
public import Market
import SharedMemory

/// What may be set about a gateway.
public struct GatewayOptions: Sendable {
  /// Newest trade id applied before this run, by instrument: fills since then are fetched at the start.
  public var lastTradeIDs: [InstrumentID: Int64] = [:]
  /// Commands and reports that may be under way at once; a power of two.
  public var queueCapacity = 4_096
  public var reconcileNanoseconds: Int64 = 30_000_000_000
  public var listenKeyRenewalNanoseconds: Int64 = 25 * 60_000_000_000
  public var seed: UInt64 = 1
  /// A file of certificates to trust instead of the system's, for the account stream.
  public var certificateAuthorityPath: String?

  public init() {}
}

/// A report as it lies in the hand-off queue: whole words.
struct ReportSlot: BitwiseCopyable, Sendable {
  var report: ExchangeReport
  var padding: Int32 = 0

  init(_ report: ExchangeReport) { self.report = report }
}

/// The venue on the wire, as the decision thread sees it: two queues.
///
/// `submit` and `poll` neither block nor allocate; the order thread does the rest and is woken by an event descriptor
/// (one system call per command, after the hand-off). An outcome is never guessed: what is unknown is reported as
/// `.unknown` and settled by asking. Fills come from trades only, once each.   [decision-thread]
public struct OrderGateway: ~Copyable, Exchange {
  /// Commands refused for a full queue whose reports wait to be polled.
  private static let refusalsMax = 64

  private var commands: HandoffProducer<OrderCommand>
  private var reports: HandoffConsumer<ReportSlot>
  private let inbox: RestInbox
  private let service: OrderService
  private let refusals: UnsafeMutablePointer<ExchangeReport>
  private var refusalCount = 0

  /// Starts the account stream and the order work on the client's thread, and asks for the account's state: reports of
  /// fills since `lastTradeIDs`, positions and balance follow, now and after every reconnect.
  ///
  /// - Parameters:
  ///   - client: signed, and used by this gateway alone for orders.
  ///   - streams: where `/private` is.
  public static func open(
    client: RestClient, table: InstrumentTable, streams: StreamEndpoint, recvWindowMilliseconds: Int = 5_000,
    options: GatewayOptions = GatewayOptions(), logger: Logger
  ) throws -> OrderGateway {
    let dispatch = try make(
      transport: client, clock: client.clock, table: table, recvWindowMilliseconds: recvWindowMilliseconds,
      options: options, logger: logger)
    let stream = try UserStream(
      client: client, table: table, endpoint: streams, options: options, logger: logger
    ) { [mailbox = dispatch.mailbox, inbox = client.inbox] input in
      mailbox.add(input)
      inbox.wake()
    }
    dispatch.dispatch.onStreamDoubt = {
      stream.reconnect(reason: "the stream did not tell of an order in time")
    }
    client.inbox.adopt(dispatch.dispatch)
    stream.start()
    let service = OrderService(client: client, stream: stream)
    return OrderGateway(
      commands: dispatch.commands, reports: dispatch.reports, inbox: client.inbox, service: service)
  }

  private init(
    commands: consuming HandoffProducer<OrderCommand>, reports: consuming HandoffConsumer<ReportSlot>,
    inbox: RestInbox, service: OrderService
  ) {
    self.commands = commands
    self.reports = reports
    self.inbox = inbox
    self.service = service
    refusals = .allocate(capacity: Self.refusalsMax)
  }

  deinit {
    service.shutdown()
    refusals.deallocate()
  }

  /// The venue does its own matching.
  public mutating func observe(_ event: MarketEvent) {}

  /// Hands a command to the order thread. When its queue is full the next `poll` says that it was rejected.
  public mutating func submit(_ command: OrderCommand) {
    if commands.tryPush(command) { return inbox.wake() }
    precondition(refusalCount < Self.refusalsMax, "commands are not submitted in thousands without polling")
    (refusals + refusalCount).initialize(
      to: ExchangeReport(
        kind: .rejected, side: command.side, isFinal: true, instrument: command.instrument, id: command.id,
        time: command.time, code: GatewayCode.queueFull))
    refusalCount += 1
  }

  public mutating func poll(now: Instant) -> ExchangeReport? {
    if refusalCount > 0 {
      refusalCount -= 1
      return refusals[refusalCount]
    }
    return reports.tryPop()?.report
  }

  /// Ends the account stream and the client. Orders at the venue stay as they are.
  public consuming func shutdown() { service.shutdown() }
}

extension OrderGateway {
  /// Both sides of the queues, before anything runs.
  struct Parts: ~Copyable {
    var dispatch: OrderDispatch
    var mailbox: UserMailbox
    var commands: HandoffProducer<OrderCommand>
    var reports: HandoffConsumer<ReportSlot>
  }

  static func make(
    transport: any OrderTransport, clock: VenueClock, table: InstrumentTable, recvWindowMilliseconds: Int,
    options: GatewayOptions, logger: Logger, time: @escaping @Sendable () -> Int64 = monotonicNanoseconds
  ) throws(MapError) -> Parts {
    let commands = try HandoffProducer<OrderCommand>(anonymousCapacity: options.queueCapacity)
    let reports = try HandoffProducer<ReportSlot>(anonymousCapacity: options.queueCapacity)
    let commandsOut = try HandoffConsumer<OrderCommand>(of: commands)
    let reportsOut = try HandoffConsumer<ReportSlot>(of: reports)
    let mailbox = UserMailbox()
    let dispatch = OrderDispatch(
      transport: transport, clock: clock, table: table, commands: commandsOut, reports: reports,
      mailbox: mailbox,
      recvWindowMilliseconds: recvWindowMilliseconds, options: options, logger: logger, time: time)
    return Parts(dispatch: dispatch, mailbox: mailbox, commands: commands, reports: reportsOut)
  }
}

/// What a gateway keeps running.
final class OrderService: Sendable {
  private let client: RestClient
  private let stream: UserStream

  init(client: RestClient, stream: UserStream) {
    self.client = client
    self.stream = stream
  }

  func shutdown() {
    stream.shutdown()
    client.shutdown()
  }
}
