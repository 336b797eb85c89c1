enum TapeStub {}
