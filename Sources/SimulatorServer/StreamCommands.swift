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
    var json = JSONText()
    switch result {
    case .failure(let failure):
      json.object { json in
        switch failure {
        case .unknownProperty:
          json.number("code", 0)
          json.text("msg", "Unknown property")
        case .invalidValue:
          json.number("code", 1)
          json.text("msg", "Invalid value type: expected Boolean")
        case .invalidRequest(let reason):
          json.number("code", 2)
          json.text("msg", "Invalid request: \(reason)")
        case .invalidJSON(let reason):
          json.number("code", 3)
          json.text("msg", "Invalid JSON: \(reason)")
        }
        json.raw("id", id)
      }
    case .success(let method):
      var hasRoom = true
      json.object { json in
        switch method {
        case .subscribe(let names):
          for name in names where hasRoom { hasRoom = hub.subscribe(connection, name) }
          json.null("result")
        case .unsubscribe(let names):
          for name in names { hub.unsubscribe(connection, name) }
          json.null("result")
        case .list:
          json.array("result") { json in for name in connection.streams { json.text(nil, name) } }
        case .setCombined(let isOn):
          connection.isCombined = isOn
          json.null("result")
        case .getCombined: json.flag("result", connection.isCombined)
        }
        json.raw("id", id)
      }
      // The exchange cuts a connection that asks for more than it may carry.
      if !hasRoom {
        connection.close()
        return
      }
    }
    connection.append(bytes: json.bytes)
    connection.flush()
  }
}
