import BinanceWire
import CCurl
import Glibc
import Market

/// The client's thread: takes jobs in lane order, drives libcurl, hands answers out.
final class RestLoop: @unchecked Sendable {  // handed to its thread once, then used by it alone
  /// A wait never lasts longer, so that a lost wake-up heals.
  private static let waitMillisecondsMax = 500

  private let configuration: RestConfiguration
  private let origin: String
  private let isLoopback: Bool
  private let signer: RequestSigner?
  private let clock: VenueClock
  private let inbox: RestInbox
  private let multiHandle: UnsafeMutableRawPointer
  private let plainHeaders: UnsafeMutablePointer<curl_slist>?
  private let keyHeaders: UnsafeMutablePointer<curl_slist>?
  private let budget: RestBudget
  private var lanes: [[RestJob]] = RequestLane.allCases.map { _ in [] }
  private var queuedCount = 0
  private var transfers: [UnsafeMutableRawPointer: RestTransfer] = [:]
  private var idleHandles: [UnsafeMutableRawPointer] = []

  init?(
    configuration: RestConfiguration, parts: EndpointParts, signer: RequestSigner?, budget: RestBudget,
    clock: VenueClock, inbox: RestInbox
  ) {
    guard let multi = curl_multi_init() else { return nil }
    multiHandle = multi
    self.configuration = configuration
    let host = parts.host.contains(":") ? "[\(parts.host)]" : parts.host
    origin = "\(parts.isSecure ? "https" : "http")://\(host):\(parts.port)\(parts.path)"
    isLoopback = parts.isLoopback
    self.signer = signer
    self.clock = clock
    self.inbox = inbox
    self.budget = budget
    // An answer to "Expect: 100-continue" would only cost a round trip.
    plainHeaders = curl_slist_append(nil, "Expect:")
    keyHeaders =
      signer.map {
        curl_slist_append(curl_slist_append(nil, "Expect:"), "X-MBX-APIKEY: \($0.apiKey.exposed)")
      }
      ?? nil
    aegis_curl_multi_set_long(multi, CURLMOPT_MAX_HOST_CONNECTIONS, configuration.inFlightMax)
  }

  func run() {
    while true {
      aegis_event_descriptor_drain(inbox.descriptor)
      let (jobs, isClosed, resident) = inbox.drain()
      if isClosed {
        for job in jobs { job.completion(.failure(.denied("the client is shut down"))) }
        return end()
      }
      for job in jobs { enqueue(job) }
      var now = monotonicNanoseconds()
      var wakeAt = now + Int64(Self.waitMillisecondsMax) * 1_000_000
      if let due = resident?.turn(now: now) { wakeAt = min(wakeAt, due) }
      if let due = dispatch(now: now) { wakeAt = min(wakeAt, due) }
      var running: Int32 = 0
      curl_multi_perform(multiHandle, &running)
      if finishTransfers() { continue }
      now = monotonicNanoseconds()
      let milliseconds = Int32(
        max(0, min((wakeAt - now + 999_999) / 1_000_000, Int64(Self.waitMillisecondsMax))))
      aegis_curl_multi_wait(multiHandle, inbox.descriptor, milliseconds)
    }
  }

  private func enqueue(_ job: RestJob) {
    guard queuedCount < configuration.queuedMax else {
      return job.completion(.failure(.denied("\(configuration.queuedMax) calls are waiting already")))
    }
    guard signer != nil || !job.request.needsKey else {
      return job.completion(.failure(.denied("\(job.request.path) needs a key, and there is none")))
    }
    lanes[Int(job.request.lane.rawValue)].append(job)
    queuedCount += 1
  }

  /// Starts what may start, most important first.
  /// - Returns: when to look again, if something waits for time rather than for an answer.
  private func dispatch(now: Int64) -> Int64? {
    guard queuedCount > 0 else { return nil }
    var wakeAt: Int64?
    for lane in lanes.indices {
      var taken = 0
      scan: while taken < lanes[lane].count, transfers.count < configuration.inFlightMax {
        let job = lanes[lane][taken]
        switch budget.spend(job.request, now: Instant(nanoseconds: now)) {
        case .go:
          taken += 1
          start(job)
        case .refuse:
          taken += 1
          job.completion(.failure(.denied("the rate budget refuses \(job.request.path)")))
        case .wait(let nanoseconds):
          guard now + nanoseconds <= job.deadline else {
            taken += 1
            job.completion(.failure(.denied("no budget for \(job.request.path) in time")))
            continue
          }
          wakeAt = min(wakeAt ?? .max, now + nanoseconds)
          break scan
        }
      }
      lanes[lane].removeFirst(taken)
      queuedCount -= taken
      // What waits for a free connection is denied at its deadline too.
      let overdue = lanes[lane].count { $0.deadline <= now }
      if overdue > 0 {
        let late = lanes[lane].filter { $0.deadline <= now }
        lanes[lane].removeAll { $0.deadline <= now }
        queuedCount -= late.count
        for job in late {
          job.completion(.failure(.denied("\(job.request.path) waited too long for its turn")))
        }
      }
    }
    return wakeAt
  }

  private func start(_ job: RestJob) {
    guard let handle = idleHandles.popLast() ?? curl_easy_init() else {
      return job.completion(.failure(.notSent("libcurl gave no handle")))
    }
    let request = job.request
    let query = signer?.query(for: request, serverNow: clock.now()) ?? request.query
    // A changing call carries its parameters as a body that cannot be rewound: see `RestTransfer.body`.
    let sendsBody = request.method == .post && !query.isEmpty
    let target = origin + request.path + (sendsBody || query.isEmpty ? "" : "?" + query)
    let transfer = RestTransfer(
      job: job, body: sendsBody ? Array(query.utf8) : [], answerByteCountMax: configuration.answerByteCountMax
    )
    configure(handle, request, target: target, transfer: transfer)
    transfers[handle] = transfer
    let code = curl_multi_add_handle(multiHandle, handle)
    guard code == CURLM_OK else {
      transfers[handle] = nil
      curl_easy_cleanup(handle)
      return job.completion(.failure(.notSent("libcurl refused the call (\(code.rawValue))")))
    }
  }

  private func configure(
    _ handle: UnsafeMutableRawPointer, _ request: RestRequest, target: String, transfer: RestTransfer
  ) {
    curl_easy_reset(handle)
    aegis_curl_set_text(handle, CURLOPT_URL, target)
    aegis_curl_set_text(handle, CURLOPT_PROTOCOLS_STR, isLoopback ? "http,https" : "https")
    aegis_curl_set_text(handle, CURLOPT_PROXY, "")  // an environment variable must not redirect orders
    aegis_curl_set_long(handle, CURLOPT_FOLLOWLOCATION, 0)
    aegis_curl_set_long(handle, CURLOPT_NOSIGNAL, 1)
    aegis_curl_set_long(handle, CURLOPT_SSL_VERIFYPEER, 1)
    aegis_curl_set_long(handle, CURLOPT_SSL_VERIFYHOST, 2)
    if let path = configuration.certificateAuthorityPath {
      aegis_curl_set_text(handle, CURLOPT_CAINFO, path)
    }
    aegis_curl_set_long(handle, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
    aegis_curl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, configuration.connectTimeoutMilliseconds)
    aegis_curl_set_long(handle, CURLOPT_TIMEOUT_MS, configuration.totalTimeoutMilliseconds)
    aegis_curl_set_long(handle, CURLOPT_TCP_NODELAY, 1)
    aegis_curl_set_long(handle, CURLOPT_TCP_KEEPALIVE, 1)
    aegis_curl_set_text(handle, CURLOPT_USERAGENT, "aegis")
    aegis_curl_set_pointer(handle, CURLOPT_HTTPHEADER, request.needsKey ? keyHeaders : plainHeaders)
    let context = Unmanaged.passUnretained(transfer).toOpaque()  // kept alive by `transfers`
    aegis_curl_set_pointer(handle, CURLOPT_WRITEDATA, context)
    aegis_curl_set_function(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
      guard let bytes, let context else { return 0 }
      let chunk = UnsafeRawBufferPointer(start: bytes, count: size * count)
      return Unmanaged<RestTransfer>.fromOpaque(context).takeUnretainedValue().receive(chunk)
    }
    aegis_curl_set_pointer(handle, CURLOPT_HEADERDATA, context)
    aegis_curl_set_function(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
      guard let bytes, let context else { return 0 }
      let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
      Unmanaged<RestTransfer>.fromOpaque(context).takeUnretainedValue().receive(header: line)
      return size * count
    }
    switch request.method {
    case .get: aegis_curl_set_long(handle, CURLOPT_HTTPGET, 1)
    case .delete: aegis_curl_set_text(handle, CURLOPT_CUSTOMREQUEST, "DELETE")
    case .put:
      aegis_curl_set_text(handle, CURLOPT_POSTFIELDS, "")
      aegis_curl_set_text(handle, CURLOPT_CUSTOMREQUEST, "PUT")
    case .post where transfer.body.isEmpty: aegis_curl_set_text(handle, CURLOPT_POSTFIELDS, "")
    case .post:
      aegis_curl_set_long(handle, CURLOPT_POST, 1)
      aegis_curl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, Int64(transfer.body.count))
      aegis_curl_set_pointer(handle, CURLOPT_READDATA, context)
      aegis_curl_set_function(handle, CURLOPT_READFUNCTION) { bytes, size, count, context in
        guard let bytes, let context else { return Int(CURL_READFUNC_ABORT) }
        let room = UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
        return Unmanaged<RestTransfer>.fromOpaque(context).takeUnretainedValue().give(room)
      }
    }
  }

  /// - Returns: whether anything ended.
  private func finishTransfers() -> Bool {
    var finished = false
    var code = CURLE_OK
    while let handle = aegis_curl_multi_next_done(multiHandle, &code) {
      finished = true
      curl_multi_remove_handle(multiHandle, handle)
      guard let transfer = transfers.removeValue(forKey: handle) else { continue }
      let result = outcome(of: transfer, handle, code)
      if idleHandles.count < configuration.inFlightMax {
        idleHandles.append(handle)
      } else {
        curl_easy_cleanup(handle)
      }
      transfer.job.completion(result)
    }
    return finished
  }

  private func outcome(
    of transfer: RestTransfer, _ handle: UnsafeMutableRawPointer, _ code: CURLcode
  ) -> Result<RestAnswer, RestError> {
    let name = "\(transfer.job.request.method.rawValue) \(transfer.job.request.path)"
    var sentCount = 0
    aegis_curl_get_long(handle, CURLINFO_REQUEST_SIZE, &sentCount)
    switch code {
    case CURLE_OK:
      var status = 0
      aegis_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &status)
      let answer = transfer.answer(status: status)
      budget.absorb(answer, now: Instant(nanoseconds: monotonicNanoseconds()))
      return .success(answer)
    case CURLE_COULDNT_RESOLVE_HOST where sentCount == 0, CURLE_COULDNT_CONNECT where sentCount == 0,
      CURLE_SSL_CONNECT_ERROR where sentCount == 0, CURLE_PEER_FAILED_VERIFICATION where sentCount == 0,
      CURLE_SSL_CACERT_BADFILE where sentCount == 0, CURLE_OPERATION_TIMEDOUT where sentCount == 0:
      return .failure(.notSent("\(name): \(String(cString: curl_easy_strerror(code)))"))
    default:
      return .failure(.outcomeUnknown("\(name): \(String(cString: curl_easy_strerror(code)))"))
    }
  }

  private func end() {
    for (handle, transfer) in transfers {
      curl_multi_remove_handle(multiHandle, handle)
      curl_easy_cleanup(handle)
      transfer.job.completion(
        .failure(.outcomeUnknown("\(transfer.job.request.path): shut down while waiting")))
    }
    transfers.removeAll()
    for lane in lanes.indices {
      for job in lanes[lane] { job.completion(.failure(.denied("the client is shut down"))) }
      lanes[lane].removeAll()
    }
    for handle in idleHandles { curl_easy_cleanup(handle) }
    idleHandles.removeAll()
    curl_multi_cleanup(multiHandle)
    curl_slist_free_all(plainHeaders)
    curl_slist_free_all(keyHeaders)
  }
}

/// One call on the wire.   [client's thread]
final class RestTransfer {
  let job: RestJob
  /// Handed to libcurl once. When a reused connection dies after it was written, libcurl would like to repeat the call
  /// on a new one; without a way to rewind it fails instead, and the outcome is reported as unknown.
  let body: [UInt8]
  private var bodyGiven = 0
  private let answerByteCountMax: Int
  private var received: [UInt8] = []
  private var usedWeight: Int?
  private var orderCount10s: Int?
  private var orderCount1m: Int?
  private var retryAfterSeconds: Int?

  init(job: RestJob, body: [UInt8], answerByteCountMax: Int) {
    self.job = job
    self.body = body
    self.answerByteCountMax = answerByteCountMax
  }

  func give(_ room: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(room.count, body.count - bodyGiven)
    body.withUnsafeBytes {
      room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[bodyGiven..<bodyGiven + count]))
    }
    bodyGiven += count
    return count
  }

  /// - Returns: less than was offered ends the call.
  func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
    guard received.count + chunk.count <= answerByteCountMax else { return 0 }
    received.append(contentsOf: chunk)
    return chunk.count
  }

  func receive(header line: UnsafeRawBufferPointer) {
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon < 64 else { return }
    let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
    guard name == "retry-after" || name.hasPrefix("x-mbx-") else { return }
    let text = String(decoding: line[(colon + 1)...], as: UTF8.self).filter { !$0.isWhitespace }
    guard let value = Int(text), value >= 0 else { return }
    switch name {
    case "retry-after": retryAfterSeconds = value
    case "x-mbx-used-weight-1m": usedWeight = value
    case "x-mbx-order-count-10s": orderCount10s = value
    case "x-mbx-order-count-1m": orderCount1m = value
    default: break
    }
  }

  func answer(status: Int) -> RestAnswer {
    RestAnswer(
      status: status, body: received, usedWeight: usedWeight, orderCount10s: orderCount10s,
      orderCount1m: orderCount1m, retryAfterSeconds: retryAfterSeconds)
  }
}
