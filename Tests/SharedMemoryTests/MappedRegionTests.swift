import Glibc
import SharedMemory
import Testing

@Suite("A mapped region")
struct MappedRegionTests {
  let directory = TemporaryDirectory()

  @Test("is a private file of zero bytes that another mapping sees change")
  func createsAndShares() throws {
    let path = directory.file("region")
    let region = try MappedRegion.create(path: path, byteCount: 8192)
    var status = stat()
    #expect(stat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    #expect(status.st_size == 8192)
    let other = try MappedRegion.open(path: path, writable: false)
    #expect(other.base.load(fromByteOffset: 5000, as: UInt8.self) == 0)
    region.base.storeBytes(of: 7, toByteOffset: 5000, as: UInt8.self)
    #expect(other.base.load(fromByteOffset: 5000, as: UInt8.self) == 7)
  }

  @Test("replaces an older file without disturbing whoever has that one mapped")
  func freshInode() throws {
    let path = directory.file("region")
    let old = try MappedRegion.create(path: path, byteCount: 4096) { $0[0] = 1 }
    let new = try MappedRegion.create(path: path, byteCount: 4096) { $0[0] = 2 }
    #expect(old.base.load(as: UInt8.self) == 1)
    #expect(new.base.load(as: UInt8.self) == 2)
    let named = try MappedRegion.open(path: path, writable: false)
    #expect(named.base.load(as: UInt8.self) == 2)
  }

  @Test("names path, operation, reason and fix when there is no file")
  func missingFile() {
    let path = directory.file("absent")
    let error = #expect(throws: MapError.self) { _ = try MappedRegion.open(path: path, writable: true) }
    let text = error?.description ?? ""
    #expect(text.contains(path))
    #expect(text.contains("open failed: No such file or directory"))
    #expect(text.contains("Start the process that creates it first"))
    #expect(!text.contains("\n"))
  }

  @Test("refuses symbolic links, directories and empty files")
  func refusesStrangeFiles() throws {
    let path = directory.file("region")
    _ = try MappedRegion.create(path: path, byteCount: 4096)
    symlink(path, directory.file("link"))
    #expect(throws: MapError.self) {
      _ = try MappedRegion.open(path: directory.file("link"), writable: false)
    }
    #expect(throws: MapError.self) { _ = try MappedRegion.open(path: directory.path, writable: false) }
    close(open(directory.file("empty"), O_CREAT | O_WRONLY, 0o600))
    #expect(throws: MapError.self) {
      _ = try MappedRegion.open(path: directory.file("empty"), writable: false)
    }
  }

  @Test("leaves no file behind when the directory is missing or the size is absurd")
  func failedCreate() {
    #expect(throws: MapError.self) {
      _ = try MappedRegion.create(path: directory.file("none/region"), byteCount: 4096)
    }
    #expect(throws: MapError.self) { _ = try MappedRegion.create(path: directory.file("r"), byteCount: 0) }
    #expect(throws: MapError.self) {
      _ = try MappedRegion.create(path: directory.file("r"), byteCount: MappedRegion.byteCountMax + 1)
    }
    #expect(access(directory.file("r"), F_OK) != 0)
  }

  @Test("gives a place to one opener at a time, and back when that one ends")
  func claims() throws {
    let path = directory.file("region")
    _ = try MappedRegion.create(path: path, byteCount: 4096)
    let second = try MappedRegion.open(path: path, writable: true)
    do {
      let first = try MappedRegion.open(path: path, writable: true)
      #expect(try first.claim(place: 3))
      #expect(try !second.claim(place: 3))
      #expect(try second.claim(place: 4))
    }
    #expect(try second.claim(place: 3))
  }

  @Test("shrinks its file when closed trimmed")
  func trims() throws {
    let path = directory.file("region")
    try MappedRegion.create(path: path, byteCount: 65_536).close(trimmedTo: 5000)
    var status = stat()
    #expect(stat(path, &status) == 0)
    #expect(status.st_size == 5000)
  }

  @Test("without a name is shared with its second mapping")
  func anonymous() throws {
    let one = try MappedRegion.anonymous(byteCount: 4096)
    let two = try one.mappedAgain()
    one.base.storeBytes(of: 99, as: UInt64.self)
    #expect(two.base.load(as: UInt64.self) == 99)
    #expect(one.base != two.base)
  }
}
