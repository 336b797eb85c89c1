enum SimulatorStub {}
