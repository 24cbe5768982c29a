"""The pages: a client of the public interface like any other, which happens to live in the ingress's process."""
