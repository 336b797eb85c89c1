enum SimulatorServerStub {}
