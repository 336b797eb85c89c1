/// Why the simulated exchange refuses an order; the raw value is the error code the real exchange gives.
public enum OrderRefusal: Int32, Error, Sendable, CaseIterable {
  case tooManyOrders = -1015
  case precision = -1111
  case unknownSymbol = -1121
  case unknownOrderCancelled = -2011
  case unknownOrderQueried = -2013
  case marginInsufficient = -2019
  case reduceOnlyRejected = -2022
  case openOrderLimit = -2025
  case priceAboveMaximum = -4002
  case quantityNotPositive = -4003
  case quantityBelowMinimum = -4004
  case quantityAboveMaximum = -4005
  case priceBelowMinimum = -4013
  case priceOffTick = -4014
  case clientOrderIDInvalid = -4015
  case priceAboveBand = -4016
  case quantityOffStep = -4023
  case priceBelowBand = -4024
  case leverageInvalid = -4028
  case clientOrderIDDuplicate = -4116
  case openingForbidden = -4140
  case symbolClosed = -4141
  case notionalBelowMinimum = -4164
  case fillOrKillUnfillable = -5021
  case postOnlyWouldTake = -5022

  /// One sentence for a person; texts vary at the exchange too, only the code is stable.
  public var message: String {
    switch self {
    case .tooManyOrders: "Too many new orders."
    case .precision: "Precision is over the maximum defined for this asset."
    case .unknownSymbol: "Invalid symbol."
    case .unknownOrderCancelled: "Unknown order sent."
    case .unknownOrderQueried: "Order does not exist."
    case .marginInsufficient: "Margin is insufficient."
    case .reduceOnlyRejected: "ReduceOnly Order is rejected."
    case .openOrderLimit: "Reach max open order limit."
    case .priceAboveMaximum: "Price greater than max price."
    case .quantityNotPositive: "Quantity less than or equal to zero."
    case .quantityBelowMinimum: "Quantity less than min quantity."
    case .quantityAboveMaximum: "Quantity greater than max quantity."
    case .priceBelowMinimum: "Price less than min price."
    case .priceOffTick: "Price not increased by tick size."
    case .clientOrderIDInvalid: "Client order id is not valid."
    case .priceAboveBand: "Limit price can't be higher than the price band allows."
    case .quantityOffStep: "Qty not increased by step size."
    case .priceBelowBand: "Limit price can't be lower than the price band allows."
    case .leverageInvalid: "Leverage is not valid."
    case .clientOrderIDDuplicate: "ClientOrderId is duplicated."
    case .openingForbidden: "Symbol status does not allow opening a position."
    case .symbolClosed: "The symbol is closed."
    case .notionalBelowMinimum: "Order's notional must be no smaller than the minimum (unless reduce only)."
    case .fillOrKillUnfillable: "The fill-or-kill order cannot be filled at once and is rejected."
    case .postOnlyWouldTake: "The post-only order would take liquidity and is rejected."
    }
  }
}
