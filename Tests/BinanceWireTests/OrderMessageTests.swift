import BinanceWire
import Market
import Testing

@Suite("Order requests")
struct OrderRequestTests {
  let requests = OrderRequests(table: sampleTable)
  let id = ClientOrderID(run: 36, sequence: 37)

  @Test("a limit order carries everything in the exchange's words")
  func limit() {
    let command = OrderCommand(
      id: id, instrument: InstrumentID(0), kind: .limit, timeInForce: .postOnly, side: .sell,
      reduceOnly: true,
      purpose: .target, quantity: Quantity(steps: 2), price: Price(ticks: 970_000), time: .never)
    let request = requests.request(for: command)
    #expect(
      request.query
        == "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTX&quantity=0.002&price=97000.0&reduceOnly=true&newClientOrderId=aegis-10-11&newOrderRespType=ACK"
    )
    #expect(
      request.method == .post && request.path == "/fapi/v1/order" && request.isSigned && request.needsKey)
    #expect(request.weight == 0 && request.orderCost == 1 && request.lane == .close)
  }

  @Test("a market order has neither price nor time in force; its lane follows its purpose")
  func market() {
    func request(_ purpose: OrderPurpose, _ reduceOnly: Bool) -> RestRequest {
      requests.request(
        for: OrderCommand(
          id: id, instrument: InstrumentID(4), side: .buy, reduceOnly: reduceOnly, purpose: purpose,
          quantity: Quantity(steps: 3), time: .never))
    }
    #expect(
      request(.entry, false).query
        == "symbol=%E6%B5%8B%E8%AF%95USDT&side=BUY&type=MARKET&quantity=0.075&newClientOrderId=aegis-10-11&newOrderRespType=ACK"
    )
    #expect(request(.entry, false).lane == .open && request(.stop, true).lane == .protect)
    #expect(request(.flatten, true).lane == .close)
  }

  @Test("weights follow the document")
  func weights() {
    #expect([99, 100, 499, 500, 1000, 1001, 1500].map(OrderRequests.klineWeight) == [1, 2, 2, 5, 5, 10, 10])
    #expect(requests.openOrders().weight == 40 && requests.openOrders(InstrumentID(0)).weight == 1)
    #expect(requests.premiumIndex().weight == 10 && requests.bookTicker().weight == 5)
    #expect(requests.account().weight == 5 && requests.positionRisk().path == "/fapi/v3/positionRisk")
    let key = OrderRequests.listenKey(.put)
    #expect(key.needsKey && !key.isSigned && key.weight == 1)
    let klines = requests.klines(InstrumentID(0), .minute5, start: Instant(milliseconds: 7), limit: 1500)
    #expect(klines.query == "symbol=BTCUSDT&interval=5m&startTime=7&limit=1500")
    #expect(requests.userTrades(InstrumentID(0), fromID: 9).query == "symbol=BTCUSDT&fromId=9&limit=500")
  }
}

@Suite("User events")
struct UserEventTests {
  let updates = OrderUpdates(table: sampleTable)

  static func order(
    _ execution: String, _ status: String, filled: String = "0", last: String = "0", price: String = "0"
  )
    -> UserMessages.OrderTradeUpdate
  {
    UserMessages.OrderTradeUpdate(
      E: 11, T: 10,
      o: UserMessages.Order(
        symbol: "BTCUSDT", clientID: "aegis-1-2", side: "SELL", type: "MARKET", timeInForce: "GTC",
        quantity: "0.004",
        price: "0", averagePrice: "0", executionType: execution, status: status, orderID: 99,
        lastQuantity: last,
        filledQuantity: filled, lastPrice: price, commissionAsset: "USDT", commission: "0.01000001", time: 10,
        tradeID: last == "0" ? 0 : 77, isMaker: true, reduceOnly: true, realizedProfit: "-1.5"))
  }

  @Test("every execution becomes the report it stands for")
  func executions() throws {
    let cases: [(UserMessages.OrderTradeUpdate, ExchangeReport.Kind, Bool)] = [
      (Self.order("NEW", "NEW"), .accepted, false),
      (
        Self.order("TRADE", "PARTIALLY_FILLED", filled: "0.001", last: "0.001", price: "28155.10"), .filled,
        false
      ),
      (Self.order("TRADE", "FILLED", filled: "0.004", last: "0.003", price: "28155.10"), .filled, true),
      (Self.order("CALCULATED", "FILLED", filled: "0.004", last: "0.004", price: "28155.10"), .filled, true),
      (Self.order("CANCELED", "CANCELED"), .cancelled, true),
      (Self.order("EXPIRED", "EXPIRED"), .expired, true),
      (Self.order("EXPIRED", "EXPIRED_IN_MATCH"), .expired, true),
      (Self.order("AMENDMENT", "NEW"), .accepted, false),
      (Self.order("REJECTED", "REJECTED"), .rejected, true),
      (Self.order("SOMETHING", "CANCELED"), .cancelled, true),
    ]
    for (message, kind, isFinal) in cases {
      guard case .order(let update) = try updates.decode(JSONText.encode(message)) else {
        Issue.record("not an order event")
        continue
      }
      #expect(update.report.kind == kind && update.report.isFinal == isFinal, "\(message.o.x)/\(message.o.X)")
      #expect(update.report.id == ClientOrderID(run: 1, sequence: 2) && update.report.side == .sell)
      if kind == .filled {
        #expect(update.report.price.ticks == 281_551 && update.report.tradeID == 77 && update.report.isMaker)
        #expect(update.report.fee.e8 == 1_000_001 && update.report.amount.e8 == -150_000_000)
      }
    }
  }

  @Test("another's order, a fee in another asset and an envelope are told apart")
  func foreign() throws {
    var message = Self.order("TRADE", "FILLED", filled: "0.004", last: "0.004", price: "28155.10")
    message.o.c = "autoclose-123"
    message.o.N = "BNB"
    let body =
      #"{"stream":"key","data":"# + String(decoding: JSONText.encode(message), as: UTF8.self) + "}"
    guard case .order(let update) = try updates.decode(Array(body.utf8)) else {
      return #expect(Bool(false), "not an order event")
    }
    #expect(update.owner == .foreign("autoclose-123") && update.owner.isVenue && update.report.id == .none)
    #expect(update.report.fee == .zero && update.commissionAsset == "BNB" && update.commissionE8 == 1_000_001)
  }

  @Test("an account update gives wallet and one-way positions")
  func account() throws {
    let message = UserMessages.AccountUpdate(
      E: 11, T: 10,
      a: UserMessages.Account(
        m: "ORDER", B: [UserMessages.Balance(a: "USDT", wb: "9999.90000000", cw: "9999.90000000")],
        P: [
          UserMessages.Position(
            s: "BTCUSDT", pa: "-0.002", ep: "100000.123456789012", bep: "1", cr: "0", up: "0.02"),
          UserMessages.Position(s: "BTCUSDT", pa: "0.002", ep: "1", bep: "1", cr: "0", up: "0", ps: "LONG"),
          UserMessages.Position(s: "OTHERUSDT", pa: "1", ep: "1", bep: "1", cr: "0", up: "0"),
        ]))
    guard case .account(let update) = try updates.decode(JSONText.encode(message)) else {
      return #expect(Bool(false), "not an account event")
    }
    #expect(update.positions.count == 2 && update.reports.count == 2)
    #expect(update.reports[0].kind == .balance && update.reports[0].amount.e8 == 999_990_000_000)
    #expect(update.reports[1].quantity.steps == -2 && update.reports[1].amount.e8 == 20_000_024_691)
  }

  @Test("the other events are recognised and unknown ones ignored")
  func others() throws {
    func event(_ text: String) throws -> UserEvent { try updates.decode(Array(text.utf8)) }
    if case .listenKeyExpired(let time) = try event(#"{"e":"listenKeyExpired","E":5,"listenKey":"k"}"#) {
      #expect(time.milliseconds == 5)
    } else {
      Issue.record("listenKeyExpired")
    }
    if case .leverage("BTCUSDT", 10) = try event(
      #"{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ac":{"s":"BTCUSDT","l":10}}"#)
    {
    } else {
      Issue.record("ACCOUNT_CONFIG_UPDATE")
    }
    if case .tradeLite = try event(#"{"e":"TRADE_LITE","E":1}"#) {} else { Issue.record("TRADE_LITE") }
    if case .ignored("MARGIN_CALL") = try event(#"{"e":"MARGIN_CALL","x":{}}"#) {
    } else {
      Issue.record("MARGIN_CALL")
    }
    #expect(throws: WireError.self) { try event("{}") }
    #expect(throws: WireError.self) { try event("nonsense") }
    var offGrid = Self.order("TRADE", "FILLED", filled: "0.004", last: "0.004", price: "28155.15")
    #expect(throws: WireError.offGrid(field: "L", text: "28155.15", symbol: "BTCUSDT")) {
      try updates.decode(JSONText.encode(offGrid))
    }
    offGrid.o.s = "OTHERUSDT"
    if case .ignored = try updates.decode(JSONText.encode(offGrid)) {
    } else {
      Issue.record("unknown symbol")
    }
  }

  @Test(
    "recorded events of other programs are read",
    .enabled(if: RecordedData.isThere, "needs the recorded events beside the project"),
    arguments: [
      "order_update_calculated", "order_update_trade", "ws_futures_order_update_adl", "account_update",
      "algo_update_new", "ws_futures_trade_lite", "ws_futures_order_update_liquidation_zero_qty",
    ])
  func recorded(name: String) throws {
    let table = InstrumentTable(
      venue: "t",
      instruments: ["BTCUSDT", "ETHUSDT", "BNBUSDT"].map {
        Instrument(symbol: $0, baseAsset: "X", rules: InstrumentRules(tickE8: 1, stepE8: 1))
      })
    let event = try OrderUpdates(table: table).decode(RecordedData.bytes("ws/user/nautilus/\(name).json"))
    if case .ignored(let what) = event { Issue.record("\(name) was ignored: \(what)") }
  }
}

@Suite("REST answers")
struct RestAnswerTests {
  let answers = RestAnswers(table: sampleTable)

  @Test("an order answer without average price is read; a filled one leaves the fills to the stream")
  func order() throws {
    let text =
      #"{"orderId":8126541,"symbol":"BTCUSDT","status":"NEW","clientOrderId":"aegis-1-2","price":"97000.00","origQty":"0.002","executedQty":"0.000","cumQty":"0.000","timeInForce":"GTC","type":"LIMIT","reduceOnly":false,"side":"BUY","positionSide":"BOTH","updateTime":1795250000123,"newThing":{"a":1}}"#
    let answer = try answers.order(Array(text.utf8))
    #expect(answer.owner == .own(ClientOrderID(run: 1, sequence: 2)) && answer.report.kind == .accepted)
    #expect(answer.report.price.ticks == 970_000 && answer.quantity.steps == 2 && !answer.report.isFinal)
    let filled = try answers.order(
      Array(text.replacing("\"NEW\"", with: "\"FILLED\"").replacing("0.000", with: "0.002").utf8))
    #expect(filled.status == .filled && !filled.report.isFinal && filled.report.filledTotal.steps == 2)
    #expect(
      try answers.orders(Array("[\(text),\(text.replacing("BTCUSDT", with: "XUSDT"))]".utf8)).count == 1)
    #expect(throws: WireError.symbol("XUSDT")) {
      try answers.order(Array(text.replacing("BTCUSDT", with: "XUSDT").utf8))
    }
  }

  @Test("what the simulator encodes is what the engine reads")
  func roundTrips() throws {
    let position = RestMessages.PositionRisk(
      symbol: "BTCUSDT", positionAmt: "0.100", entryPrice: "99890.0", breakEvenPrice: "99939.945",
      markPrice: "100012.3",
      unRealizedProfit: "12.23", liquidationPrice: "0", notional: "10001.23", updateTime: 5)
    let positions = try answers.positions(JSONText.encode([position]))
    #expect(positions[0].quantity.steps == 100 && positions[0].entryNotional.e8 == 998_900_000_000)
    let asset = RestMessages.Account.Asset(
      walletBalance: "10000.00000001", unrealizedProfit: "-1", marginBalance: "1", maintMargin: "1",
      initialMargin: "1",
      positionInitialMargin: "1", openOrderInitialMargin: "0", availableBalance: "9000",
      maxWithdrawAmount: "1",
      updateTime: 5)
    let account = try answers.account(JSONText.encode(RestMessages.Account(asset: asset, positions: [])))
    #expect(account.wallet.e8 == 1_000_000_000_001 && account.available.amount == 9000)
    let trade = RestMessages.UserTrade(
      symbol: "BTCUSDT", id: 7, orderId: 8, side: "SELL", price: "100000.0", qty: "0.002", quoteQty: "200",
      realizedPnl: "-1", commission: "0.1", time: 9, maker: true)
    let fill = try answers.userTrades(JSONText.encode([trade]))[0]
    #expect(
      fill.tradeID == 7 && fill.orderID == 8 && fill.isMaker && fill.fee.e8 == 10_000_000
        && fill.side == .sell)
    let book = RestMessages.BookTicker(
      symbol: "BTCUSDT", bidPrice: "1.0", bidQty: "1", askPrice: "1.1", askQty: "2", time: 3, lastUpdateId: 1)
    #expect(try answers.bookTicker(JSONText.encode(book))[0].ask.ticks == 11)
    #expect(try answers.bookTicker(JSONText.encode([book, book])).count == 2)
    let premium = RestMessages.PremiumIndex(
      symbol: "BTCUSDT", markPrice: "100012.30000001", indexPrice: "1", lastFundingRate: "-0.0001",
      nextFundingTime: 8,
      time: 7)
    #expect(try answers.premiumIndex(JSONText.encode(premium))[0].event.markE8 == 10_001_230_000_001)
    #expect(
      try RestAnswers.serverTime(JSONText.encode(RestMessages.ServerTime(serverTime: 5))).milliseconds
        == 5)
    #expect(try RestAnswers.listenKey(JSONText.encode(RestMessages.ListenKey(listenKey: "abc"))) == "abc")
  }

  @Test("candles are read on the grid, and a running one is not complete")
  func klines() throws {
    let rules = sampleTable.instruments[0].rules
    let candles = (0..<3).map { index in
      Candle(
        openTime: Instant(milliseconds: 1_795_250_040_000 + Int64(index) * 60_000), open: Price(ticks: 100),
        high: Price(ticks: 130), low: Price(ticks: 90), close: Price(ticks: 110),
        volume: Quantity(steps: 1500),
        tradeCount: 7)
    }
    let body = JSONText.encode(candles.map { RestMessages.Kline($0, .minute1, rules: rules) })
    let now = Instant(milliseconds: 1_795_250_040_000 + 2 * 60_000)
    let read = try answers.klines(body, of: InstrumentID(0), now: now)
    #expect(read.map(\.openTime) == candles.map(\.openTime) && read[0].close == candles[0].close)
    #expect(read.map { $0.flags.contains(.complete) } == [true, true, false])
    #expect(read.allSatisfy { $0.flags.contains(.backfilled) })
    let broken = String(decoding: body, as: UTF8.self).replacing("\"13.0\"", with: "\"1.0\"")
    #expect(throws: WireError.self) { try answers.klines(Array(broken.utf8), of: InstrumentID(0), now: now) }
  }
}

@Suite("Error codes")
struct ErrorCodeTests {
  @Test("the table is sorted, without doubles, and finds every entry")
  func table() {
    let codes = BinanceErrorCode.all.map(\.code)
    #expect(codes == codes.sorted(by: >) && Set(codes).count == codes.count && codes.count > 150)
    for entry in BinanceErrorCode.all { #expect(BinanceErrorCode.entry(entry.code) == entry) }
    #expect(BinanceErrorCode.entry(-1) == nil && BinanceErrorCode.errorClass(of: -9999) == .refused)
  }

  @Test(
    "status and body say whether it happened",
    arguments: [
      (200, #"{"orderId":1}"#, ErrorClass?.none), (200, #"{"code":200,"msg":"success"}"#, nil),
      (200, #"{"code":"200","msg":"success"}"#, nil), (200, #"{"code":-2022,"msg":"x"}"#, .refused),
      (400, #"{"code":-2019,"msg":"Margin is insufficient."}"#, .refused),
      (400, #"{"code":-1007,"msg":"x"}"#, .unknown), (400, #"{"code":-4046,"msg":"x"}"#, nil),
      (400, #"{"code":-1022,"msg":"x"}"#, .halt), (401, "", .halt), (403, "<html>", .retry),
      (404, "<html>", .refused),
      (408, "", .unknown), (418, #"{"code":-1003,"msg":"banned"}"#, .retry), (429, "", .retry),
      (500, "", .unknown),
      (502, "<html>", .unknown),
      (
        503, #"{"code":-1000,"msg":"Unknown error, please check your request or try again later."}"#, .unknown
      ),
      (503, "Service Unavailable.", .retry), (503, #"{"code":-1008,"msg":"Request throttled"}"#, .retry),
      (
        503, #"{"code":-1001,"msg":"Internal error; unable to process your request. Please try again."}"#,
        .retry
      ),
      (503, "", .unknown), (504, #"{"code":-1"#, .unknown),
    ])
  func outcomes(status: Int, body: String, wanted: ErrorClass?) {
    let outcome = HTTPOutcome.classify(status: status, body: Array(body.utf8))
    let got: ErrorClass? =
      switch outcome {
      case .confirmed: nil
      case .refused: .refused
      case .unknown: .unknown
      case .retry: .retry
      case .halt: .halt
      }
    #expect(got == wanted, "\(outcome)")
  }
}
