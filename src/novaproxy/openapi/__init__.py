"""What the service says about itself: ``/openapi.json``, ``/docs`` and the written API reference."""
