import CPlatform
import SharedMemory
import Testing

@Suite("CRC-32C")
struct ChecksumTests {
  @Test("gives the published check value")
  func checkValue() {
    let value = Array("123456789".utf8).withUnsafeBytes { Checksum.crc32c($0) }
    #expect(value == 0xE306_9283)
  }

  @Test("is the same by hardware and by table, whole or in parts", arguments: UInt64(0)..<50)
  func twinsAgree(seed: UInt64) {
    var random = TestRandom(seed: seed)
    let bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in
      UInt8.random(in: 0...255, using: &random)
    }
    let start = UInt32.random(in: 0 ... .max, using: &random)
    bytes.withUnsafeBytes { bytes in
      let whole = Checksum.crc32c(bytes, seed: start)
      #expect(whole == aegis_crc32c_table(start, bytes.baseAddress, bytes.count), "seed \(seed)")
      let split = bytes.isEmpty ? 0 : Int.random(in: 0..<bytes.count, using: &random)
      let first = Checksum.crc32c(UnsafeRawBufferPointer(rebasing: bytes[..<split]), seed: start)
      #expect(Checksum.crc32c(UnsafeRawBufferPointer(rebasing: bytes[split...]), seed: first) == whole)
    }
  }
}
