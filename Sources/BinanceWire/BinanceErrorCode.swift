/// What an error code of the exchange means for the order or call it answers.
public enum ErrorClass: String, Sendable, Hashable, CaseIterable {
  /// Nothing happened; do not repeat unchanged.
  case refused
  /// Nobody knows whether it happened: ask, never repeat.
  case unknown
  /// Nothing happened; may be repeated later.
  case retry
  /// Nothing happened, and a person must look.
  case halt
  /// The wish is fulfilled already; nothing to do.
  case satisfied
}

/// One code of the exchange's list.
public struct BinanceErrorCode: Sendable, Hashable {
  public let code: Int32
  public let name: String
  public let errorClass: ErrorClass

  /// The entry of a code; nil when it is not in the list.
  public static func entry(_ code: Int32) -> BinanceErrorCode? {
    var low = 0
    var high = all.count
    while low < high {
      let middle = (low + high) / 2
      if all[middle].code == code { return all[middle] }
      if all[middle].code > code { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  /// A code that is not in the list was still an answer from the exchange's checks, so it is a refusal.
  public static func errorClass(of code: Int32) -> ErrorClass { entry(code)?.errorClass ?? .refused }

  /// Codes after which the filters are read again, the order quantised again and sent once more as a new
  /// order.
  public static func asksForNewFilters(_ code: Int32) -> Bool {
    switch code {
    case -1111, -4001, -4002, -4003, -4004, -4005, -4013, -4014, -4023: true
    default: false
    }
  }

  /// Codes about an order that must be asked for before anything else is done.
  public static func asksForQuery(_ code: Int32) -> Bool {
    switch code {
    case -2011, -2012, -2013, -4083, -4116: true
    default: errorClass(of: code) == .unknown
    }
  }

  /// Every known code, descending from -1000.
  public static let all: [BinanceErrorCode] = parse(refusedText, .refused, parse(unknownText, .unknown, []))
    .merged(retryText, .retry).merged(haltText, .halt).merged(satisfiedText, .satisfied)
    .sorted { $0.code > $1.code }

  private init(code: Int32, name: String, errorClass: ErrorClass) {
    self.code = code
    self.name = name
    self.errorClass = errorClass
  }

  fileprivate static func parse(
    _ text: String, _ errorClass: ErrorClass, _ before: [BinanceErrorCode]
  ) -> [BinanceErrorCode] {
    before
      + text.split(separator: "\n").map { line in
        let parts = line.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, let code = Int32(parts[0]) else {
          preconditionFailure("error table line: \(line)")
        }
        return BinanceErrorCode(code: code, name: String(parts[1]), errorClass: errorClass)
      }
  }
}

extension [BinanceErrorCode] {
  fileprivate func merged(_ text: String, _ errorClass: ErrorClass) -> [BinanceErrorCode] {
    BinanceErrorCode.parse(text, errorClass, self)
  }
}

private let unknownText = """
  -1000 unknown error
  -1001 disconnected, internal error
  -1006 unexpected response, execution status unknown
  -1007 timeout, execution status unknown
  """

private let retryText = """
  -1003 too many requests
  -1008 overload throttling
  -1015 too many orders
  -1112 no orders on the book
  -4117 stop order is triggering
  -4131 counter price outside PERCENT_PRICE
  -5041 no depth for a priceMatch order
  -5043 amendment pending
  """

private let haltText = """
  -1002 unauthorized
  -1011 address not on the white list
  -1016 service shutting down
  -1022 invalid signature
  -2014 API-key format invalid
  -2015 invalid key, address or permission
  -2017 API keys locked
  -2023 user in liquidation
  -4056 invalid key type
  -4057 invalid public key
  -4087 user may only reduce
  -4088 user may not place orders
  -4109 account inactive
  -4189 account may only reduce on this symbol
  -4192 cooling-off period
  -4400 quantitative rules: reduce only
  -4401 large-position rules: reduce only
  -4402 region restriction
  -4403 region restriction
  """

private let satisfiedText = """
  -4046 no need to change margin type
  -4052 no need to change auto-add margin
  -4059 no need to change position side
  -4171 no need to change multi-assets mode
  -5027 nothing to change
  """

private let refusedText = """
  -1010 error message received
  -1013 invalid message
  -1014 unsupported order combination
  -1020 unsupported operation
  -1021 timestamp outside recvWindow
  -1023 start time after end time
  -1099 not found or unauthorised
  -1100 illegal characters
  -1101 too many or duplicate parameters
  -1102 mandatory parameter missing or malformed
  -1103 unknown parameter
  -1104 not all parameters read
  -1105 parameter empty
  -1106 parameter sent when not required
  -1108 bad asset
  -1109 bad account
  -1110 bad symbol type
  -1111 precision over the maximum
  -1113 withdrawal amount negative
  -1114 timeInForce not required
  -1115 invalid timeInForce
  -1116 invalid order type
  -1117 invalid side
  -1118 empty client order id
  -1119 empty original client order id
  -1120 invalid interval
  -1121 invalid symbol
  -1122 invalid symbol status
  -1125 listen key does not exist
  -1126 asset not supported
  -1127 lookup interval too big
  -1128 bad combination of optional parameters
  -1130 invalid data for a parameter
  -1136 invalid newOrderRespType
  -2010 new order rejected
  -2011 cancel rejected
  -2012 batch cancel failure
  -2013 order does not exist
  -2016 no trading window
  -2018 balance insufficient
  -2019 margin insufficient
  -2020 unable to fill
  -2021 order would immediately trigger
  -2022 reduce-only rejected
  -2024 position not sufficient
  -2025 maximum of open orders reached
  -2026 type not supported with reduceOnly
  -2027 exceeds maximum position at current leverage
  -2028 leverage smaller than permitted
  -4000 invalid order status
  -4001 price below zero
  -4002 price above maximum
  -4003 quantity not positive
  -4004 quantity below minimum
  -4005 quantity above maximum
  -4006 stop price below zero
  -4007 stop price above maximum
  -4013 price below minimum
  -4014 price off tick
  -4015 client order id invalid
  -4016 price above mark times multiplier
  -4019 scale too large
  -4020 target strategy invalid
  -4021 invalid depth limit
  -4022 market status not valid
  -4023 quantity off step
  -4024 price below mark times multiplier
  -4028 invalid leverage
  -4031 invalid workingType
  -4032 too many orders to cancel
  -4044 invalid balance type
  -4045 maximum of stop orders reached
  -4047 margin type: open orders exist
  -4048 margin type: position exists
  -4049 add margin only for isolated
  -4050 cross balance insufficient
  -4051 isolated balance insufficient
  -4053 auto-add margin only for isolated
  -4054 add margin: no position
  -4055 add margin: amount not positive
  -4060 invalid position side
  -4061 position side does not match the mode
  -4062 improper reduceOnly value
  -4067 position side: open orders exist
  -4068 position side: position exists
  -4082 invalid batch size
  -4083 batch place failed
  -4084 method not allowed yet
  -4104 invalid contract type
  -4105 symbol may only be reduced
  -4106 buys may only reduce
  -4107 sells may only reduce
  -4114 client transfer id invalid
  -4115 client transfer id duplicate
  -4116 client order id duplicate
  -4118 reduce-only failed with existing orders
  -4120 use the algo order service
  -4130 closing order in this direction exists
  -4135 invalid activation price
  -4137 quantity with closePosition
  -4138 closePosition needs reduceOnly
  -4139 type cannot be market
  -4140 symbol status forbids opening
  -4141 symbol closed
  -4142 stop would trigger at once
  -4144 invalid pair
  -4161 isolated: leverage cannot be lowered with a position
  -4164 notional below minimum
  -4165 invalid time interval
  -4167 multi-assets mode conflicts with isolated
  -4168 multi-assets mode: isolated margin
  -4169 multi-assets mode: margin insufficient
  -4170 multi-assets mode: open orders
  -4172 multi-assets mode: negative balance
  -4183 limit price above multiplier cap
  -4184 limit price below multiplier floor
  -4202 leverage restricted: verification
  -4203 leverage restricted: account age
  -4205 leverage restricted: region
  -4206 leverage restricted: country
  -4208 leverage restricted: symbol
  -4209 leverage restricted
  -4210 stop price above multiplier cap
  -4211 stop price below multiplier floor
  -4531 mode change needs the coin-margined account flat
  -5021 fill-or-kill not fillable
  -5022 post-only would take
  -5024 amend: symbol not trading
  -5025 amend: only LIMIT
  -5026 too many amendments
  -5028 timestamp outside the engine's recvWindow
  -5029 amend: notional below minimum
  -5037 invalid priceMatch
  -5038 priceMatch: invalid type
  -5039 invalid self-trade prevention mode
  -5040 invalid goodTillDate
  -5047 amend: order is not reduce-only
  """
