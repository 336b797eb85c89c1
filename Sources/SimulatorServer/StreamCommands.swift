import BinanceWire
import Foundation

/// A control message of a stream client: `{"method":"SUBSCRIBE","params":[…],"id":…}`.
///
/// The id may be any JSON value and is echoed as it was written; unknown members are ignored.
struct StreamCommand {
  enum Method: Equatable {
    case subscribe([String])
    case unsubscribe([String])
    case list
    case setCombined(Bool)
    case getCombined
  }

  enum Failure: Error, Equatable {
    case invalidJSON(String)
    case invalidRequest(String)
    case unknownProperty
    case invalidValue
  }

  var method: Method
  /// JSON text of the id; `null` when absent.
  var id: [UInt8]

  /// Longest message read: 1024 streams of any name.
  static let bytesMax = 1 << 17

  static func parse(_ bytes: [UInt8]) -> (id: [UInt8], result: Result<Method, Failure>) {
    let null = Array("null".utf8)
    let value: Any
    do {
      value = try JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])
    } catch {
      return (null, .failure(.invalidJSON("cannot be read")))
    }
    guard let object = value as? [String: Any] else {
      return (null, .failure(.invalidRequest("request must be an object")))
    }
    let id = object["id"].flatMap(identity) ?? null
    guard let name = object["method"] as? String else {
      return (id, .failure(.invalidRequest("missing field `method`")))
    }
    return (id, method(name, object["params"] as? [Any]))
  }

  private static func method(_ name: String, _ params: [Any]?) -> Result<Method, Failure> {
    switch name {
    case "SUBSCRIBE", "UNSUBSCRIBE":
      guard let names = params as? [String], !names.isEmpty, names.count <= StreamConnection.streamsMax else {
        return .failure(.invalidRequest("params must be a list of stream names"))
      }
      return .success(name == "SUBSCRIBE" ? .subscribe(names) : .unsubscribe(names))
    case "LIST_SUBSCRIPTIONS": return .success(.list)
    case "SET_PROPERTY":
      guard let property = params?.first as? String, params?.count == 2 else {
        return .failure(.invalidRequest("params must be a property and its value"))
      }
      guard property == "combined" else { return .failure(.unknownProperty) }
      guard let isOn = params?[1] as? Bool else { return .failure(.invalidValue) }
      return .success(.setCombined(isOn))
    case "GET_PROPERTY":
      guard params?.first as? String == "combined" else { return .failure(.unknownProperty) }
      return .success(.getCombined)
    default: return .failure(.invalidRequest("unknown variant `\(name)`"))
    }
  }

  private static func identity(_ id: Any) -> [UInt8]? {
    // A value just parsed from JSON always serialises; anything else counts as no id.
    guard let data = try? JSONSerialization.data(withJSONObject: id, options: [.fragmentsAllowed]) else {
      return nil
    }
    return Array(data)
  }
}

extension ExchangeCore {
  /// Does what a client's text frame asks and queues the answer.
  func handle(_ text: [UInt8], from connection: StreamConnection) {
    let (id, result) = StreamCommand.parse(text)
    let answer: [UInt8]
    switch result {
    case .failure(let failure): answer = StreamCommand.refusal(failure, id)
    case .success(let method):
      var answered: [UInt8]?
      var hasRoom = true
      switch method {
      case .subscribe(let names):
        for name in names where hasRoom { hasRoom = hub.subscribe(connection, name) }
      case .unsubscribe(let names): for name in names { hub.unsubscribe(connection, name) }
      case .list: answered = JSONText.encode(connection.streams)
      case .setCombined(let isOn): connection.isCombined = isOn
      case .getCombined: answered = JSONText.encode(connection.isCombined)
      }
      // The exchange cuts a connection that asks for more than it may carry.
      if !hasRoom {
        connection.close()
        return
      }
      answer = StreamCommand.answer(answered, id)
    }
    connection.append(bytes: answer)
    connection.flush()
  }
}

extension StreamCommand {
  /// - Parameter result: JSON text; nil for `null`.
  fileprivate static func answer(_ result: [UInt8]?, _ id: [UInt8]) -> [UInt8] {
    Array("{\"result\":".utf8) + (result ?? Array("null".utf8)) + Array(",\"id\":".utf8) + id + [0x7D]
  }

  fileprivate static func refusal(_ failure: Failure, _ id: [UInt8]) -> [UInt8] {
    let body =
      switch failure {
      case .unknownProperty: ErrorBody(code: 0, message: "Unknown property")
      case .invalidValue: ErrorBody(code: 1, message: "Invalid value type: expected Boolean")
      case .invalidRequest(let reason): ErrorBody(code: 2, message: "Invalid request: \(reason)")
      case .invalidJSON(let reason): ErrorBody(code: 3, message: "Invalid JSON: \(reason)")
      }
    return JSONText.encode(body).dropLast() + Array(",\"id\":".utf8) + id + [0x7D]
  }
}
