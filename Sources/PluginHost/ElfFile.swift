/// What an ELF shared object says about itself, read from its bytes without running any of its code.
///
/// Every offset in the file is checked before use: the bytes may be cut short, overwritten or hostile.
struct ElfFile {
  /// The record in section `.aegis.info`; nil when the plugin has none.
  struct Info: Hashable {
    var abiMajor: UInt16
    var abiMinor: UInt16
    var language: UInt32
    var toolchain: UInt32
  }

  private(set) var info: Info?
  /// Names of defined, exported symbols.
  private(set) var exports: [String] = []
  /// Names of the libraries it needs (`DT_NEEDED`).
  private(set) var libraries: [String] = []

  struct Refusal: Error { var reason: String }

  private static let headerByteCount = 64
  private static let sectionByteCount = 64
  private static let symbolByteCount = 24
  /// A plugin has tens of sections; more than this is not a plugin.
  private static let sectionCountMax = 4096
  private static let nameByteCountMax = 4096

  private struct Section {
    var name: UInt32
    var kind: UInt32
    var offset: UInt64
    var size: UInt64
    var link: UInt32
  }

  init(_ bytes: UnsafeRawBufferPointer) throws(Refusal) {
    guard bytes.count >= Self.headerByteCount else { throw Refusal(reason: "is too short to be an ELF file") }
    guard bytes[0] == 0x7F, bytes[1] == 0x45, bytes[2] == 0x4C, bytes[3] == 0x46 else {
      throw Refusal(reason: "is not an ELF file")
    }
    guard bytes[4] == 2, bytes[5] == 1 else {
      throw Refusal(reason: "is not a 64-bit little-endian ELF file")
    }
    #if arch(x86_64)
      let machine: UInt16 = 62
    #elseif arch(arm64)
      let machine: UInt16 = 183
    #endif
    let found = bytes.loadUnaligned(fromByteOffset: 18, as: UInt16.self)
    guard found == machine else { throw Refusal(reason: "is built for machine \(found), not \(machine)") }
    guard bytes.loadUnaligned(fromByteOffset: 16, as: UInt16.self) == 3 else {
      throw Refusal(reason: "is not a shared object")
    }
    let sections = try Self.sections(bytes)
    guard !sections.isEmpty else { return }  // stripped of its section table: nothing more to be known
    let nameIndex = Int(bytes.loadUnaligned(fromByteOffset: 62, as: UInt16.self))
    for section in sections {
      switch section.kind {
      case 6: try readLibraries(bytes, section, sections)
      case 11: try readExports(bytes, section, sections)
      default: break
      }
      guard sections.indices.contains(nameIndex) else { continue }
      if Self.text(bytes, sections[nameIndex], at: UInt64(section.name)) == ".aegis.info" {
        readInfo(bytes, section)
      }
    }
  }

  private static func sections(_ bytes: UnsafeRawBufferPointer) throws(Refusal) -> [Section] {
    let offset = bytes.loadUnaligned(fromByteOffset: 40, as: UInt64.self)
    let stride = Int(bytes.loadUnaligned(fromByteOffset: 58, as: UInt16.self))
    let count = Int(bytes.loadUnaligned(fromByteOffset: 60, as: UInt16.self))
    if offset == 0 || count == 0 { return [] }
    guard stride >= sectionByteCount, count <= sectionCountMax else {
      throw Refusal(reason: "has a damaged section table")
    }
    guard offset <= UInt64(bytes.count), UInt64(count * stride) <= UInt64(bytes.count) - offset else {
      throw Refusal(reason: "ends before its section table (half written?)")
    }
    return (0..<count).map { index in
      let base = Int(offset) + index * stride
      return Section(
        name: bytes.loadUnaligned(fromByteOffset: base, as: UInt32.self),
        kind: bytes.loadUnaligned(fromByteOffset: base + 4, as: UInt32.self),
        offset: bytes.loadUnaligned(fromByteOffset: base + 24, as: UInt64.self),
        size: bytes.loadUnaligned(fromByteOffset: base + 32, as: UInt64.self),
        link: bytes.loadUnaligned(fromByteOffset: base + 40, as: UInt32.self))
    }
  }

  /// The bytes of a section, or nil when they do not lie inside the file.
  private static func range(_ bytes: UnsafeRawBufferPointer, _ section: Section) -> Range<Int>? {
    guard section.offset <= UInt64(bytes.count), section.size <= UInt64(bytes.count) - section.offset else {
      return nil
    }
    return Int(section.offset)..<Int(section.offset + section.size)
  }

  private static func text(_ bytes: UnsafeRawBufferPointer, _ table: Section, at offset: UInt64) -> String? {
    guard let range = range(bytes, table), offset < UInt64(range.count) else { return nil }
    let start = range.lowerBound + Int(offset)
    let limit = min(range.upperBound, start + nameByteCountMax)
    guard let end = bytes[start..<limit].firstIndex(of: 0) else { return nil }
    return String(decoding: bytes[start..<end], as: UTF8.self)
  }

  private mutating func readInfo(_ bytes: UnsafeRawBufferPointer, _ section: Section) {
    guard let range = Self.range(bytes, section), range.count >= 16,
      bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: UInt32.self) == PluginImage.magic
    else { return }
    info = Info(
      abiMajor: bytes.loadUnaligned(fromByteOffset: range.lowerBound + 4, as: UInt16.self),
      abiMinor: bytes.loadUnaligned(fromByteOffset: range.lowerBound + 6, as: UInt16.self),
      language: bytes.loadUnaligned(fromByteOffset: range.lowerBound + 8, as: UInt32.self),
      toolchain: bytes.loadUnaligned(fromByteOffset: range.lowerBound + 12, as: UInt32.self))
  }

  private mutating func readExports(
    _ bytes: UnsafeRawBufferPointer, _ section: Section, _ sections: [Section]
  ) throws(Refusal) {
    guard let range = Self.range(bytes, section), sections.indices.contains(Int(section.link)) else {
      throw Refusal(reason: "has a damaged symbol table")
    }
    for base in stride(
      from: range.lowerBound, to: range.upperBound - Self.symbolByteCount + 1, by: Self.symbolByteCount)
    {
      let binding = bytes[base + 4] >> 4
      let visibility = bytes[base + 5] & 3
      let definedIn = bytes.loadUnaligned(fromByteOffset: base + 6, as: UInt16.self)
      guard binding == 1 || binding == 2 || binding == 10, visibility == 0 || visibility == 3, definedIn != 0
      else {
        continue
      }
      let name = bytes.loadUnaligned(fromByteOffset: base, as: UInt32.self)
      if let text = Self.text(bytes, sections[Int(section.link)], at: UInt64(name)), !text.isEmpty {
        exports.append(text)
      }
    }
  }

  private mutating func readLibraries(
    _ bytes: UnsafeRawBufferPointer, _ section: Section, _ sections: [Section]
  ) throws(Refusal) {
    guard let range = Self.range(bytes, section), sections.indices.contains(Int(section.link)) else {
      throw Refusal(reason: "has a damaged dynamic section")
    }
    for base in stride(from: range.lowerBound, to: range.upperBound - 15, by: 16) {
      let tag = bytes.loadUnaligned(fromByteOffset: base, as: Int64.self)
      if tag == 0 { return }
      let value = bytes.loadUnaligned(fromByteOffset: base + 8, as: UInt64.self)
      if tag == 1, let name = Self.text(bytes, sections[Int(section.link)], at: value) {
        libraries.append(name)
      }
    }
  }
}
