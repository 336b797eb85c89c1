public enum KitStub {}
