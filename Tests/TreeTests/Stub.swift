import Testing

@Suite("stub") struct Stub { @Test func builds() {} }
