enum SharedMemoryStub {}
